internal import Compiler
internal import Domain
package import GRPCCore
internal import Publishing
package import Wire

extension AdminAPI {
  /// The documents of one apply, over all of its messages.
  private static let maxApplyBytes = 256 << 20
  private static let maxReceiveTime = Duration.seconds(120)

  package func applyAll(
    request: RPCAsyncSequence<Bindery_V1_ApplyRequest, any Error>,
    context: ServerContext
  ) async throws -> Bindery_V1_ApplyResponse {
    try await largeApplies.pass {
      let whole = try await withThrowingTaskGroup(of: Bindery_V1_ApplyRequest?.self) { group in
        group.addTask { try await translatingErrors { try await Self.whole(request) } }
        // Whoever is let in must not keep others out by saying nothing.
        group.addTask {
          try await Task.sleep(for: Self.maxReceiveTime)
          return nil
        }
        defer { group.cancelAll() }
        return try await group.next() ?? nil
      }
      guard let whole else {
        throw RPCError(
          code: .deadlineExceeded,
          message: "the messages of one apply must come within \(Self.maxReceiveTime)"
        )
      }
      return try await apply(whole)
    }
  }

  private static func whole(
    _ request: RPCAsyncSequence<Bindery_V1_ApplyRequest, any Error>
  ) async throws -> Bindery_V1_ApplyRequest {
    var whole: Bindery_V1_ApplyRequest?
    var bytes = 0
    for try await part in request {
      bytes += part.documents.reduce(0) { $0 + $1.specJson.utf8.count + $1.source.utf8.count }
      bytes += 100 * (part.documents.count + part.expected.count)
      guard bytes <= maxApplyBytes else {
        throw RPCError(
          code: .resourceExhausted,
          message: """
            the documents have more than \(maxApplyBytes >> 20) MiB, which is what one apply takes; \
            apply them tenant by tenant
            """
        )
      }
      // Options are the first message's; each message's documents were looked at when it came.
      if whole == nil {
        whole = part
      } else {
        whole?.documents += part.documents
        whole?.expected += part.expected
      }
    }
    return whole ?? Bindery_V1_ApplyRequest()
  }

  func apply(_ request: Bindery_V1_ApplyRequest) async throws -> Bindery_V1_ApplyResponse {
    try await translatingErrors {
      let documents = try request.documents.map(AuthoredDocument.init(wire:))
      guard !documents.isEmpty else {
        throw RPCError(code: .invalidArgument, message: "no documents were sent")
      }
      let outcome = try await publisher.apply(
        documents,
        options: try ApplyOptions(request),
        expected: try request.expectedVersions,
        dryRun: request.dryRun
      )
      return Bindery_V1_ApplyResponse(
        outcome,
        dryRun: request.dryRun,
        touched: touchedNodes(outcome.plan)
      )
    }
  }
}
