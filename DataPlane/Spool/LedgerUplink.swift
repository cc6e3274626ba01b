internal import Foundation
internal import GRPCCore
package import Logging
internal import Synchronization
internal import Wire
package import WireServices

/// Sends what the spool holds to the control plane, in order, until it is committed there.
package struct LedgerUplink<Client: Bindery_V1_Ledger.ClientProtocol>: Sendable {
  package struct Options: Sendable {
    /// A record is left to its turn's own commit for so long.
    package var grace: Duration = .seconds(1)
    /// How often the spool is looked at when it was empty.
    package var poll: Duration = .milliseconds(100)
    /// Records sent and not acknowledged yet, at most.
    package var window = 512
    /// The stream is given up when records are out and nothing comes back for so long.
    package var patience: Duration = .seconds(30)

    package init() {}
  }

  private let client: Client
  private let spool: Spool
  private let nodeID: String
  private let options: Options
  private let logger: Logger

  package init(
    client: Client,
    spool: Spool,
    nodeID: String,
    options: Options = Options(),
    logger: Logger
  ) {
    self.client = client
    self.spool = spool
    self.nodeID = nodeID
    self.options = options
    self.logger = logger
  }

  /// Runs until cancelled. Failures are waited out: the records are safe on disk.
  package func run() async {
    var backoff = Backoff()
    while !Task.isCancelled {
      let before = spool.committedSequence
      do {
        try await stream()
      } catch {
        if Task.isCancelled { return }
        logger.info("usage stream ended", metadata: ["error": "\(error)"])
      }
      if spool.committedSequence > before { backoff.reset() }
      do { try await Task.sleep(for: backoff.take()) } catch { return }
    }
  }

  /// One stream, until it ends.
  private func stream() async throws {
    let progress = Progress()
    let request = StreamingClientRequest<Bindery_V1_RecordRequest> { writer in
      try await send(to: writer, progress)
    }
    try await client.record(request: request, options: .defaults) { response in
      try await withThrowingTaskGroup { group in
        group.addTask {
          for try await answer in response.messages { await take(answer, progress) }
        }
        group.addTask { try await watch(progress) }
        defer { group.cancelAll() }
        try await group.next()
      }
    }
  }

  private func send(
    to writer: RPCWriter<Bindery_V1_RecordRequest>,
    _ progress: Progress
  ) async throws {
    var sent = spool.committedSequence
    while !Task.isCancelled {
      let room = options.window - progress.outstanding
      let batch =
        room > 0
        ? try await spool.pending(after: sent, limit: min(room, 64), grace: options.grace) : []
      if batch.isEmpty {
        try await Task.sleep(for: options.poll)
        continue
      }
      for (sequence, record) in batch {
        var request = Bindery_V1_RecordRequest()
        request.nodeID = nodeID
        request.spoolIncarnation = withUnsafeBytes(of: spool.incarnation.uuid) { Data($0) }
        request.sequence = sequence
        request.record = record
        progress.sent(sequence)
        try await writer.write(request)
        sent = sequence
      }
    }
  }

  private func take(_ answer: Bindery_V1_RecordResponse, _ progress: Progress) async {
    for it in answer.setAside {
      logger.error(
        "usage record set aside by the control plane",
        metadata: ["sequence": "\(it.sequence)", "code": "\(it.code)", "why": "\(it.message)"]
      )
    }
    progress.acknowledged(answer.committedSequence)
    await spool.commit(through: answer.committedSequence)
  }

  /// Throws when records are out for too long without an answer.
  private func watch(_ progress: Progress) async throws {
    while true {
      try await Task.sleep(for: options.patience / 4)
      if progress.isStalled(since: .now - options.patience) {
        throw RPCError(code: .deadlineExceeded, message: "no acknowledgement in time")
      }
    }
  }

  /// What is out on one stream.
  private final class Progress: Sendable {
    private struct State {
      var outstanding: [UInt64] = []
      var moved = ContinuousClock.now
    }

    private let state = Mutex(State())

    var outstanding: Int { state.withLock { $0.outstanding.count } }

    func sent(_ sequence: UInt64) {
      state.withLock { state in
        if state.outstanding.isEmpty { state.moved = .now }
        state.outstanding.append(sequence)
      }
    }

    func acknowledged(_ sequence: UInt64) {
      state.withLock { state in
        state.outstanding.removeAll { $0 <= sequence }
        state.moved = .now
      }
    }

    func isStalled(since instant: ContinuousClock.Instant) -> Bool {
      state.withLock { !$0.outstanding.isEmpty && $0.moved < instant }
    }
  }
}
