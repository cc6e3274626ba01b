internal import Domain
internal import Foundation
internal import Ledger
internal import Postgres
internal import Store
package import Wire

extension ConversationService {
  /// Takes up to `limit` pieces of work that nobody does: due inputs, lost leases, inputs held until
  /// a resume, unsent replies. They are marked, so that they aren't offered again for a while.
  package func claimable(limit: Int) async throws -> [Bindery_V1_ClaimResponse] {
    let rows = try await store.app.query(
      SQL(
        """
        select tenants_with_work(\(interval(patience.due))::interval,
          \(interval(patience.send))::interval) as tenant
        """,
        name: "tenants-with-work"
      )
    )
    // No tenant is always first, so that one with much work cannot starve the others.
    let tenants = try rows.map { TenantID(try $0.decode("tenant", as: UUID.self)) }.shuffled()
    var work: [Bindery_V1_ClaimResponse] = []
    for (place, tenant) in tenants.enumerated() where work.count < limit {
      let left = limit - work.count
      let share = max(1, left / (tenants.count - place))
      work += try await offer(of: tenant, limit: share)
    }
    return work
  }

  private func offer(of tenant: TenantID, limit: Int) async throws -> [Bindery_V1_ClaimResponse] {
    let results = try await store.app.withConnection { connection in
      try await connection.pipeline([
        Self.tenantSetting(tenant),
        SQL(
          """
          select * from offer_work(\(limit)::int, \(interval(patience.due))::interval,
            \(interval(patience.send))::interval, \(interval(patience.again))::interval)
          """,
          name: "offer-work"
        ),
      ])
    }
    return try (results.last ?? []).map { try Self.claim($0, of: tenant) }
  }

  private static func claim(
    _ row: PostgresRow,
    of tenant: TenantID
  ) throws -> Bindery_V1_ClaimResponse {
    var claim = Bindery_V1_ClaimResponse()
    claim.conversation.tenantID = tenant.data
    claim.conversation.bindingID =
      BindingID(try row.decode("binding_id", as: UUID.self)).data
    claim.conversation.channel = try row.decode("channel")
    claim.conversation.externalID = try row.decode("external_id")
    switch try row.decode("reason", as: String.self) {
    case "lease_lost": claim.reason = .leaseLost
    case "resumed": claim.reason = .resumed
    case "due": claim.reason = .due
    default:
      claim.reason = .unsent
      claim.outbox.outboxID = OutboxID(try row.decode("outbox_id", as: UUID.self)).data
      claim.outbox.messageID = MessageID(try row.decode("message_id", as: UUID.self)).data
      claim.outbox.channelAccount = try row.decode("channel_account")
      claim.outbox.recipient = try row.decode("recipient")
      claim.outbox.state = OutboxStates.wire(try row.decode("state"))
      claim.outbox.providerMessageID = try row.decode("provider_message_id")
      claim.outbox.error = try row.decode("error")
      claim.outbox.attempts = try row.decode("attempts")
      claim.body = try row.decode("body")
    }
    return claim
  }

  /// As PostgreSQL reads it.
  private func interval(_ duration: Duration) -> String {
    let (seconds, attoseconds) = duration.components
    return "\(seconds * 1000 + attoseconds / 1_000_000_000_000_000) milliseconds"
  }
}
