internal import Domain
internal import Foundation
package import GRPCCore
internal import Ledger
internal import Store
package import Wire

extension AdminAPI {
  package func eraseUser(
    request: Bindery_V1_EraseUserRequest,
    context: ServerContext
  ) async throws -> Bindery_V1_EraseUserResponse {
    try await translatingErrors {
      let person = try await person(request.user)
      try checkReason(request.reason, of: person, isNeeded: !request.dryRun)
      let erasure = try await store.erase(
        person,
        tenantSlug: request.user.tenant,
        author: request.author,
        reason: request.reason,
        dryRun: request.dryRun
      )
      guard let erasure else { throw unknown(request.user) }
      var response = Bindery_V1_EraseUserResponse()
      response.rows = erasure.rows.map {
        var rows = Bindery_V1_ErasedRows()
        rows.table = $0.table
        rows.removed = $0.removed
        rows.keptAnonymous = $0.keptAnonymous
        return rows
      }
      if let receipt = erasure.receipt { response.receipt = Bindery_V1_ErasureReceipt(receipt) }
      return response
    }
  }

  package func exportUser(
    request: Bindery_V1_ExportUserRequest,
    response: RPCWriter<Bindery_V1_ExportUserResponse>,
    context: ServerContext
  ) async throws {
    // Each holds a connection and a snapshot for as long as its reader takes.
    try await exports.pass {
      try await export(request, response)
    }
  }

  private func export(
    _ request: Bindery_V1_ExportUserRequest,
    _ response: RPCWriter<Bindery_V1_ExportUserResponse>
  ) async throws {
    try await translatingErrors {
      let person = try await person(request.user)
      try checkReason(request.reason, of: person, isNeeded: false)
      let isKnown = try await store.export(
        person,
        tenantSlug: request.user.tenant,
        author: request.author,
        reason: request.reason,
        describe: { try SetAsideText.json(of: $0) },
        write: { piece in
          var message = Bindery_V1_ExportUserResponse()
          message.piece = piece
          try await response.write(message)
        }
      )
      guard isKnown else { throw unknown(request.user) }
    }
  }

  package func listErasures(
    request: Bindery_V1_ListErasuresRequest,
    context: ServerContext
  ) async throws -> Bindery_V1_ListErasuresResponse {
    try await translatingErrors {
      let tenant = try await tenantID(request.tenant)
      var selector = request.user
      selector.tenant = request.tenant
      let limit = request.pageSize > 0 ? min(Int(request.pageSize), 1000) : 100
      let receipts = try await store.erasures(
        of: tenant,
        person: request.hasUser ? try await person(selector) : nil,
        after: try pageStart(request.pageToken),
        limit: limit
      )
      var response = Bindery_V1_ListErasuresResponse()
      response.receipts = receipts.map(Bindery_V1_ErasureReceipt.init)
      if receipts.count == limit, let last = receipts.last {
        response.nextPageToken = last.id.uuidString.lowercased()
      }
      return response
    }
  }

  // MARK: - Parts

  private func tenantID(_ slug: String) async throws -> TenantID {
    guard let tenant = try await store.tenantID(slug: slug) else {
      throw StoreError.unknownTenant(slug)
    }
    return tenant
  }

  private func person(_ selector: Bindery_V1_UserSelector) async throws -> PersonSelector {
    let ways = [
      !selector.phone.isEmpty, !selector.userID.isEmpty,
      !selector.channel.isEmpty || !selector.externalID.isEmpty,
    ]
    guard ways.count(where: \.self) == 1 else {
      throw invalid("name the person by phone, by user_id, or by channel and external_id")
    }
    let tenant = try await tenantID(selector.tenant)
    if ways[0] {
      guard let person = PersonSelector(phone: selector.phone, of: tenant) else {
        throw invalid("phone must be 6 to 15 digits, with the country's")
      }
      return person
    }
    if ways[1] {
      guard let user = UUID(uuidString: selector.userID) else {
        throw invalid("user_id must be a UUID")
      }
      return PersonSelector(user: user, of: tenant)
    }
    let person = PersonSelector(
      channel: selector.channel,
      externalID: selector.externalID,
      of: tenant
    )
    guard let person else {
      throw invalid("channel must be whatsapp or web, and external_id 1 to 512 bytes")
    }
    return person
  }

  private func checkReason(_ reason: String, of person: PersonSelector, isNeeded: Bool) throws {
    guard !isNeeded || !reason.isEmpty else { throw invalid("a reason is needed") }
    guard reason.utf8.count <= 500 else { throw invalid("the reason is longer than 500 bytes") }
    guard !person.isNamed(in: reason) else {
      throw invalid("the reason names the person, and is kept when the person is erased")
    }
  }

  private func pageStart(_ token: String) throws -> UUID? {
    if token.isEmpty { return nil }
    guard let id = UUID(uuidString: token) else {
      throw invalid("page_token is not of an answer of ListErasures")
    }
    return id
  }

  private func invalid(_ message: String) -> RPCError {
    RPCError(code: .invalidArgument, message: message)
  }

  /// The same whether nobody or only another tenant knows the person. Doesn't repeat who was asked for.
  private func unknown(_ selector: Bindery_V1_UserSelector) -> RPCError {
    RPCError(code: .notFound, message: "tenant \(selector.tenant) knows no such person")
  }
}

extension Bindery_V1_ErasureReceipt {
  fileprivate init(_ receipt: ErasureReceipt) {
    self.init()
    id = receipt.id.uuidString.lowercased()
    erasedAtMs = Int64(receipt.erasedAt.timeIntervalSince1970 * 1000)
    subject = receipt.subject
    receiptJson = receipt.json
    digest = receipt.digest
    lateInputs = receipt.lateInputs
    lateRecords = receipt.lateRecords
  }
}
