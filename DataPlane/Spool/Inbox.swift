package import Logging
internal import SwiftProtobuf
internal import Synchronization
package import Wire

/// Messages taken in while the control plane is away, on disk until it has them.
package final class Inbox: Inboxing {
  package struct Options: Sendable {
    package var directory: String
    /// No more is taken beyond this; counts what is on disk, in bytes.
    package var byteLimit = 256 << 20
    package var segmentBytes = 4 << 20
    /// How many settled messages are remembered, so that a late duplicate is known as one.
    package var memory = 100_000

    package init(directory: String) { self.directory = directory }
  }

  private enum Kind {
    static let message: UInt8 = 1
    /// The message of this sequence is settled.
    static let settled: UInt8 = 2
  }

  private struct Name: Hashable {
    var tenant: [UInt8]
    var account: String
    var providerID: String

    init(_ request: Bindery_V1_AcceptRequest) {
      tenant = Array(request.conversation.tenantID)
      account = request.message.channelAccount
      providerID = request.message.providerMessageID
    }
  }

  private struct State {
    var nextSequence: UInt64
    var waiting: [UInt64: Bindery_V1_AcceptRequest] = [:]
    var sequences: [[UInt8]: UInt64] = [:]
    var seen: Set<Name> = []
    var order: [Name] = []

    mutating func remember(_ name: Name, atMost limit: Int) {
      seen.insert(name)
      order.append(name)
      guard order.count > 2 * limit else { return }
      // Only the younger half is kept, in one go, so that each message costs a constant.
      for old in order.prefix(order.count - limit) { seen.remove(old) }
      order.removeFirst(order.count - limit)
    }

    /// Everything up to here is settled.
    var settled: UInt64 { (waiting.keys.min() ?? nextSequence) - 1 }
  }

  private let log: RecordLog
  private let state: Mutex<State>
  private let options: Options
  private let logger: Logger

  /// Opens the inbox with all that an earlier run left in it.
  package init(_ options: Options, logger: Logger) async throws {
    let (log, recovered) = try await RecordLog.open(
      directory: options.directory,
      segmentBytes: options.segmentBytes
    )
    self.log = log
    self.options = options
    self.logger = logger
    var state = State(nextSequence: recovered.nextSequence)
    for (frame, _) in recovered.frames {
      switch frame.kind {
      case Kind.message:
        let request = try Bindery_V1_AcceptRequest(serializedBytes: frame.payload)
        state.waiting[frame.sequence] = request
        state.sequences[Array(request.message.inputID)] = frame.sequence
        state.remember(Name(request), atMost: options.memory)
      case Kind.settled:
        if let request = state.waiting.removeValue(forKey: frame.sequence) {
          state.sequences[Array(request.message.inputID)] = nil
        }
      default: break
      }
    }
    self.state = Mutex(state)
  }

  package func append(_ request: Bindery_V1_AcceptRequest) async throws -> Bool {
    let payload: [UInt8] = try request.serializedBytes()
    guard payload.count <= LogFrame.payloadLimit else {
      throw SpoolError(.tooLarge, "\(payload.count) bytes, at most \(LogFrame.payloadLimit)")
    }
    guard log.totalBytes + payload.count <= options.byteLimit else {
      throw SpoolError(.full, "\(options.byteLimit) bytes are in use")
    }
    let name = Name(request)
    let isNew = state.withLock { state in
      if state.seen.contains(name) { return false }
      state.remember(name, atMost: options.memory)
      return true
    }
    if !isNew { return false }
    do {
      _ = try await log.append {
        let sequence = self.state.withLock { state in
          defer { state.nextSequence += 1 }
          state.waiting[state.nextSequence] = request
          state.sequences[Array(request.message.inputID)] = state.nextSequence
          return state.nextSequence
        }
        return LogFrame(kind: Kind.message, sequence: sequence, payload: payload)
      }
      return true
    } catch {
      // Not kept, so the provider's next try must not look like a duplicate.
      state.withLock { state in
        state.seen.remove(name)
        if let sequence = state.sequences.removeValue(forKey: Array(request.message.inputID)) {
          state.waiting[sequence] = nil
        }
      }
      throw error
    }
  }

  package func settle(_ inputID: [UInt8]) async throws {
    let (sequence, settled) = state.withLock { state in
      let sequence = state.sequences.removeValue(forKey: inputID)
      if let sequence { state.waiting[sequence] = nil }
      return (sequence, state.settled)
    }
    guard let sequence else { return }
    log.note(LogFrame(kind: Kind.settled, sequence: sequence, payload: []))
    try await log.trim(through: settled)
  }

  /// What is not settled yet, oldest first.
  package func pending() -> [Bindery_V1_AcceptRequest] {
    state.withLock { state in
      state.waiting.sorted { $0.key < $1.key }.map(\.value)
    }
  }

  package var isAccepting: Bool { log.failure == nil && log.totalBytes < options.byteLimit }

  /// Writes what waits and lets go of the files.
  package func close() async throws { try await log.close() }
}
