internal import Access
package import Domain
internal import Foundation
package import GRPCCore
package import Logging
package import Wire
internal import WireServices

/// `bindery.v1.Ledger`: takes records in batches and acknowledges what is committed.
package struct LedgerAPI: Bindery_V1_Ledger.SimpleServiceProtocol {
  /// Commits records of one spool, in the order of their sequence, in one transaction; those of
  /// tenants that the node may not serve (nil: it may all) are set aside.
  package typealias Recording =
    @Sendable ([Bindery_V1_RecordRequest], Set<TenantID>?) async throws
    -> Bindery_V1_RecordResponse

  /// Records in one transaction, at most; while it runs, the next ones gather.
  private static var batchLimit: Int { 64 }

  private let recording: Recording
  private let logger: Logger

  package init(logger: Logger, recording: @escaping Recording) {
    self.recording = recording
    self.logger = logger
  }

  package func record(
    request: RPCAsyncSequence<Bindery_V1_RecordRequest, any Error>,
    response: RPCWriter<Bindery_V1_RecordResponse>,
    context: ServerContext
  ) async throws {
    let served = context.principal?.nodeTenants
    let queue = BatchQueue<Bindery_V1_RecordRequest>(limit: Self.batchLimit)
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask {
        defer { queue.finish() }
        try await read(request, into: queue)
      }
      group.addTask {
        while let batch = try await queue.next() {
          try await response.write(try await commit(batch, served))
        }
      }
      defer { group.cancelAll() }
      // After the last request the answers to what came before are still to be written.
      while try await group.next() != nil {}
    }
  }

  /// Names of the node and its spool may stand in the first request only; they are filled in.
  private func read(
    _ requests: RPCAsyncSequence<Bindery_V1_RecordRequest, any Error>,
    into queue: BatchQueue<Bindery_V1_RecordRequest>
  ) async throws {
    var nodeID = ""
    var spool: (nodeID: String, spoolIncarnation: Data)?
    var last: UInt64 = 0
    for try await var request in requests {
      if !request.nodeID.isEmpty { nodeID = request.nodeID }
      if request.spoolIncarnation.isEmpty, let spool {
        request.spoolIncarnation = spool.spoolIncarnation
      }
      request.nodeID = nodeID
      guard !nodeID.isEmpty, request.spoolIncarnation.count == 16 else {
        throw RPCError(
          code: .invalidArgument,
          message: "node_id and spool_incarnation (16 bytes) must stand in the first request"
        )
      }
      if let spool, spool.nodeID != nodeID || spool.spoolIncarnation != request.spoolIncarnation {
        throw RPCError(code: .invalidArgument, message: "a stream carries the records of one spool")
      }
      // PostgreSQL's text holds no NUL.
      guard nodeID.utf8.count <= 256, !nodeID.utf8.contains(0) else {
        throw RPCError(
          code: .invalidArgument,
          message: "node_id must be at most 256 bytes, none of them NUL"
        )
      }
      guard request.sequence > last else {
        throw RPCError(code: .invalidArgument, message: "sequence must rise")
      }
      last = request.sequence
      if spool == nil { spool = (nodeID, request.spoolIncarnation) }
      try await queue.put(request)
    }
  }

  private func commit(
    _ batch: [Bindery_V1_RecordRequest],
    _ served: Set<TenantID>?
  ) async throws -> Bindery_V1_RecordResponse {
    do {
      return try await recording(batch, served)
    } catch let error as RPCError {
      throw error
    } catch {
      logger.error(
        "usage not recorded",
        metadata: ["records": "\(batch.count)", "error": "\(error)"]
      )
      throw RPCError(
        code: .unavailable,
        message: "the records could not be stored; send them again",
        cause: error
      )
    }
  }
}
