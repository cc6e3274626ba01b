internal import Foundation
internal import Glibc
internal import NIOPosix
internal import Synchronization

/// A log on disk that many may append to at once: whoever comes while an fsync runs shares the next
/// one. Files are touched by one thread of its own.
final class RecordLog: Sendable {
  typealias Location = LogFiles.Location

  private struct Queue {
    var frames: [LogFrame] = []
    /// Who waits for the frame at this place of `frames`.
    var waiting: [Int: CheckedContinuation<Result<Location, SpoolError>, Never>] = [:]
    var isFlushing = false
    var failure: SpoolError?
    var totalBytes = 0
  }

  private let queue = Mutex(Queue())
  private let files: Mutex<LogFiles>
  private let thread: NIOThreadPool

  /// Opens a log and gives what it holds to the caller.
  static func open(
    directory: String,
    segmentBytes: Int
  ) async throws -> (RecordLog, LogFiles.Recovered) {
    let thread = NIOThreadPool(numberOfThreads: 1)
    thread.start()
    do {
      return try await thread.runIfActive {
        var recovered = LogFiles.Recovered()
        let files = try LogFiles.open(
          directory: directory,
          segmentBytes: segmentBytes,
          &recovered
        )
        return (RecordLog(files, thread), recovered)
      }
    } catch {
      try await thread.shutdownGracefully()
      throw error
    }
  }

  private init(_ files: consuming LogFiles, _ thread: NIOThreadPool) {
    queue.withLock { $0.totalBytes = files.totalBytes }
    self.files = Mutex(files)
    self.thread = thread
  }

  /// Bytes on disk, as of the last write.
  var totalBytes: Int { queue.withLock { $0.totalBytes } }
  var failure: SpoolError? { queue.withLock { $0.failure } }

  /// Returns once the frame is on disk. Frames are written in the order of calls to `makeFrame`,
  /// which runs under a lock.
  func append(_ makeFrame: @Sendable () -> LogFrame) async throws(SpoolError) -> Location {
    let result = await withCheckedContinuation {
      (continuation: CheckedContinuation<Result<Location, SpoolError>, Never>) in
      let failure: SpoolError? = queue.withLock { queue in
        if let failure = queue.failure { return failure }
        queue.waiting[queue.frames.count] = continuation
        queue.frames.append(makeFrame())
        return nil
      }
      if let failure { continuation.resume(returning: .failure(failure)) } else { schedule() }
    }
    return try result.get()
  }

  /// Adds a frame that may be lost in a crash; it reaches the disk with the next write.
  func note(_ frame: LogFrame) {
    queue.withLock { if $0.failure == nil { $0.frames.append(frame) } }
    schedule()
  }

  func read(_ location: Location) async throws -> LogFrame {
    try await thread.runIfActive { try self.files.withLock { try $0.read(location) } }
  }

  /// Removes segments that hold nothing above `sequence`.
  func trim(through sequence: UInt64) async throws {
    try await thread.runIfActive {
      let total = try self.files.withLock { files in
        try files.trim(through: sequence)
        return files.totalBytes
      }
      self.queue.withLock { $0.totalBytes = total }
    }
  }

  /// Writes what waits and lets go of the files.
  func close() async throws {
    while queue.withLock({ $0.isFlushing || !$0.frames.isEmpty && $0.failure == nil }) {
      try await thread.runIfActive {}
    }
    fail(SpoolError(.closed, "the log is closed"))
    try await thread.shutdownGracefully()
    files.withLock { $0.close() }
  }

  private func schedule() {
    let isNeeded = queue.withLock { queue in
      if queue.isFlushing || queue.frames.isEmpty { return false }
      queue.isFlushing = true
      return true
    }
    guard isNeeded else { return }
    thread.submit { state in
      guard case .active = state else {
        return self.fail(SpoolError(.closed, "the log is closed"))
      }
      while self.flush() {}
    }
  }

  /// Writes and syncs what has come so far; false when there was nothing.
  private func flush() -> Bool {
    let (frames, waiting) = queue.withLock { queue in
      if queue.frames.isEmpty { queue.isFlushing = false }
      defer {
        queue.frames = []
        queue.waiting = [:]
      }
      return (queue.frames, queue.waiting)
    }
    if frames.isEmpty { return false }
    do throws(SpoolError) {
      let (locations, total) = try write(frames, sync: !waiting.isEmpty)
      queue.withLock { $0.totalBytes = total }
      for (place, continuation) in waiting {
        continuation.resume(returning: .success(locations[place]))
      }
      return true
    } catch {
      for continuation in waiting.values { continuation.resume(returning: .failure(error)) }
      fail(error)
      return false
    }
  }

  private func write(
    _ frames: [LogFrame],
    sync: Bool
  ) throws(SpoolError) -> (locations: [Location], total: Int) {
    let result: Result<([Location], Int), SpoolError> = files.withLock { files in
      do throws(SpoolError) {
        let locations = try files.write(frames)
        if sync { try files.sync() }
        return .success((locations, files.totalBytes))
      } catch {
        return .failure(error)
      }
    }
    return try result.get()
  }

  /// After a failed write nothing is known of the disk: all later appends fail the same way.
  private func fail(_ error: SpoolError) {
    let waiting = queue.withLock { queue in
      if queue.failure == nil { queue.failure = error }
      queue.frames = []
      queue.isFlushing = false
      defer { queue.waiting = [:] }
      return queue.waiting
    }
    for continuation in waiting.values { continuation.resume(returning: .failure(error)) }
  }
}
