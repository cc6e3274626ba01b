package import Foundation
package import Logging
internal import SwiftProtobuf
internal import Synchronization
package import Wire

/// The turn records of a node that the control plane may not have yet, on disk.
package final class Spool: Spooling {
  package struct Options: Sendable {
    package var directory: String
    /// No more is taken beyond this; counts what is on disk, in bytes.
    package var byteLimit = 1 << 30
    package var segmentBytes = 8 << 20

    package init(directory: String) { self.directory = directory }
  }

  private enum Kind {
    static let record: UInt8 = 1
    /// The record of this sequence is committed.
    static let mark: UInt8 = 2
  }

  private struct Entry {
    var location: RecordLog.Location
    /// nil for what was found at start-up.
    var appended: ContinuousClock.Instant?
  }

  private struct State {
    var nextSequence: UInt64
    /// Everything up to here is committed.
    var committed: UInt64 = 0
    var waiting: [UInt64: Entry] = [:]
    /// Sequences given out whose fsync has not returned yet.
    var writing: Set<UInt64> = []

    mutating func settle(_ sequence: UInt64) -> Bool {
      waiting.removeValue(forKey: sequence) != nil
    }

    /// Moves `committed` on over everything that is settled.
    mutating func advance() {
      while committed + 1 < nextSequence, waiting[committed + 1] == nil,
        !writing.contains(committed + 1)
      {
        committed += 1
      }
    }
  }

  /// 16 bytes on the wire.
  package let incarnation: UUID
  private let log: RecordLog
  private let state: Mutex<State>
  private let byteLimit: Int
  private let logger: Logger

  /// Opens the spool with all that an earlier run left in it.
  package init(_ options: Options, logger: Logger) async throws {
    incarnation = try Incarnation.load(options.directory)
    let (log, recovered) = try await RecordLog.open(
      directory: options.directory,
      segmentBytes: options.segmentBytes
    )
    self.log = log
    byteLimit = options.byteLimit
    self.logger = logger
    var state = State(nextSequence: recovered.nextSequence)
    for (frame, location) in recovered.frames where frame.kind == Kind.record {
      state.waiting[frame.sequence] = Entry(location: location, appended: nil)
    }
    for (frame, _) in recovered.frames where frame.kind == Kind.mark {
      _ = state.settle(frame.sequence)
    }
    state.committed = (state.waiting.keys.min() ?? state.nextSequence) - 1
    state.advance()
    if recovered.tornBytes > 0 {
      logger.warning(
        "spool ended in a half-written record",
        metadata: ["bytes": "\(recovered.tornBytes)"]
      )
    }
    self.state = Mutex(state)
  }

  // MARK: - Spooling

  package var isAccepting: Bool { log.failure == nil && log.totalBytes < byteLimit }

  package func append(_ record: Bindery_V1_TurnRecord) async throws -> UInt64 {
    let payload: [UInt8] = try record.serializedBytes()
    guard payload.count <= LogFrame.payloadLimit else {
      throw SpoolError(.tooLarge, "\(payload.count) bytes, at most \(LogFrame.payloadLimit)")
    }
    guard log.totalBytes + payload.count <= byteLimit else {
      throw SpoolError(.full, "\(byteLimit) bytes are in use")
    }
    let given = Mutex<UInt64>(0)
    do {
      let location = try await log.append {
        let sequence = self.state.withLock { state in
          defer { state.nextSequence += 1 }
          state.writing.insert(state.nextSequence)
          return state.nextSequence
        }
        given.withLock { $0 = sequence }
        return LogFrame(kind: Kind.record, sequence: sequence, payload: payload)
      }
      let sequence = given.withLock { $0 }
      state.withLock { state in
        state.writing.remove(sequence)
        state.waiting[sequence] = Entry(location: location, appended: .now)
      }
      return sequence
    } catch {
      let sequence = given.withLock { $0 }
      state.withLock { _ = $0.writing.remove(sequence) }
      throw error
    }
  }

  package func markCommitted(_ sequence: UInt64) async { await settle([sequence]) }

  // MARK: - For the uplink

  /// Records that wait for their commit.
  package var depth: Int { state.withLock { $0.waiting.count } }

  /// Everything up to here is committed.
  package var committedSequence: UInt64 { state.withLock { $0.committed } }

  /// The next records above `sequence` that have waited for `grace`, in order.
  ///
  /// Stops before one that is still being written, or too young, so that nothing is passed over.
  package func pending(
    after sequence: UInt64,
    limit: Int,
    grace: Duration
  ) async throws -> [(sequence: UInt64, record: Bindery_V1_TurnRecord)] {
    let due = ContinuousClock.now - grace
    let entries: [(UInt64, Entry)] = state.withLock { state in
      var entries: [(UInt64, Entry)] = []
      var at = max(sequence, state.committed) + 1
      while at < state.nextSequence, entries.count < limit, !state.writing.contains(at) {
        if let entry = state.waiting[at] {
          if let appended = entry.appended, appended > due { break }
          entries.append((at, entry))
        }
        at += 1
      }
      return entries
    }
    var records: [(sequence: UInt64, record: Bindery_V1_TurnRecord)] = []
    for (sequence, entry) in entries {
      // Its segment may have been removed since: then it was committed.
      guard state.withLock({ $0.waiting[sequence] != nil }) else { continue }
      do {
        let frame = try await log.read(entry.location)
        records.append((sequence, try Bindery_V1_TurnRecord(serializedBytes: frame.payload)))
      } catch let error where !(error is CancellationError) {
        guard log.failure == nil else { throw error }
        // The disk has lost it; the ones behind it must not wait for ever.
        logger.critical(
          "usage record lost",
          metadata: ["sequence": "\(sequence)", "error": "\(error)"]
        )
        await settle([sequence])
      }
    }
    return records
  }

  /// The control plane has everything up to `sequence`.
  package func commit(through sequence: UInt64) async {
    let settled = state.withLock { state in
      let last = min(sequence, state.nextSequence - 1)
      guard last > state.committed else { return [UInt64]() }
      return (state.committed + 1 ... last).filter { state.waiting[$0] != nil }
    }
    await settle(settled)
  }

  /// Writes what waits and lets go of the files.
  package func close() async throws { try await log.close() }

  private func settle(_ sequences: [UInt64]) async {
    let (settled, before, after) = state.withLock { state in
      let settled = sequences.filter { state.settle($0) }
      let before = state.committed
      state.advance()
      return (settled, before, state.committed)
    }
    for sequence in settled {
      log.note(LogFrame(kind: Kind.mark, sequence: sequence, payload: []))
    }
    guard after > before else { return }
    do {
      try await log.trim(through: after)
    } catch {
      // What stays on disk is sent again after a restart and makes no second row.
      logger.warning("spool not trimmed", metadata: ["error": "\(error)"])
    }
  }
}
