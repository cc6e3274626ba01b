internal import Changelog
internal import NIOCore
internal import Synchronization
internal import Transport

/// Writes news to watch streams from their event loops: a commit costs one job a loop, which writes to
/// all of its streams, and no task wakes up.
///
/// A stream whose reader does not read is left out until there is room; what it missed is coalesced by
/// key meanwhile.
final class WatchFanout: Sendable {
  private let loops = Mutex<[ObjectIdentifier: LoopFanout]>([:])

  init() {}

  /// The part of a loop. Loops live as long as the process.
  func part(of loop: any EventLoop) -> LoopFanout {
    loops.withLock { loops in
      let name = ObjectIdentifier(loop)
      if let part = loops[name] { return part }
      let part = LoopFanout(loop)
      loops[name] = part
      return part
    }
  }
}

/// The streams of one loop that have news.
final class LoopFanout: Sendable {
  private struct State {
    var rung: [WatchPump] = []
    var isScheduled = false
  }

  /// The frame written last, in a buffer of this loop's own.
  private struct Copy {
    var frame: EncodedFrame
    var message: EncodedMessage
  }

  private let loop: any EventLoop
  private let state = Mutex(State())
  private let copy = Mutex<Copy?>(nil)

  init(_ loop: any EventLoop) { self.loop = loop }

  /// The frame in the transport's form: one copy for all streams of the loop. Loops that share a buffer
  /// would pass the cache line of its reference count to and fro with every write.
  func message(of frame: EncodedFrame) -> EncodedMessage {
    copy.withLock { copy in
      if let copy, copy.frame.identity == frame.identity { return copy.message }
      let made = EncodedMessage(TransportBytes(ByteBuffer(bytes: frame.bytes)))
      copy = Copy(frame: frame, message: made)
      return made
    }
  }

  func ring(_ pump: WatchPump) {
    let mustSchedule = state.withLock { state in
      state.rung.append(pump)
      defer { state.isScheduled = true }
      return !state.isScheduled
    }
    if mustSchedule { loop.execute { self.run() } }
  }

  private func run() {
    let rung = state.withLock { state in
      defer { state = State() }
      return state.rung
    }
    for (index, pump) in rung.enumerated() {
      let next = index + StreamLocation.distance
      if next < rung.count { rung[next].prefetch() }
      pump.write()
    }
  }
}

/// Moves frames from a watcher to its stream, on the stream's loop.
final class WatchPump: Sendable {
  private struct State {
    var watcher: Watcher?
    var isRung = false
    var awaitsRoom = false
    var failure: (any Error)?
    var end: CheckedContinuation<Void, any Error>?
  }

  private let outbound: DirectOutbound
  /// Known since the first write.
  private let location = Mutex<StreamLocation?>(nil)
  private let loop: LoopFanout
  private let state = Mutex(State())

  init(_ outbound: DirectOutbound, _ fanout: WatchFanout) {
    self.outbound = outbound
    loop = fanout.part(of: outbound.eventLoop)
  }

  /// There may be news. From any thread.
  func ring() {
    let isNew = state.withLock { state in
      guard state.watcher != nil, !state.isRung else { return false }
      state.isRung = true
      return true
    }
    if isNew { loop.ring(self) }
  }

  /// Writes from now on, until the stream fails or the task is cancelled.
  ///
  /// - Throws: What the stream failed with; `CancellationError`.
  func run(_ watcher: Watcher) async throws {
    state.withLock { $0.watcher = watcher }
    defer { state.withLock { $0.watcher = nil } }
    ring()
    try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { continuation in
        let failure = state.withLock { state in
          if state.failure == nil { state.end = continuation }
          return state.failure
        }
        if let failure { continuation.resume(throwing: failure) }
      }
    } onCancel: {
      fail(CancellationError())
    }
  }

  /// Only on the loop, as `write`, which is to come soon.
  func prefetch() {
    location.withLock { $0?.prefetch() }
  }

  /// Only on the loop.
  func write() {
    let watcher = state.withLock { state in
      state.isRung = false
      return state.failure == nil && !state.awaitsRoom ? state.watcher : nil
    }
    guard let watcher else { return }
    location.withLock { if $0 == nil { $0 = outbound.location } }
    defer { outbound.flush() }
    do {
      while let frame = try watcher.next() {
        guard try !outbound.write(loop.message(of: frame)) else { continue }
        state.withLock { $0.awaitsRoom = true }
        outbound.whenThereIsRoom {
          self.state.withLock { $0.awaitsRoom = false }
          self.ring()
        }
        return
      }
    } catch {
      fail(error)
    }
  }

  private func fail(_ error: any Error) {
    let end = state.withLock { state in
      state.failure = state.failure ?? error
      defer { state.end = nil }
      return state.end
    }
    end?.resume(throwing: error)
  }
}

extension EncodedFrame {
  /// In the transport's form, made once for all streams.
  var message: EncodedMessage {
    inForm { EncodedMessage(TransportBytes(ByteBuffer(bytes: $0))) }
  }
}
