package import Domain
internal import Synchronization
package import Wire

/// A watch stream between its two directions: what the node says goes in by `receive`, what it is
/// to get comes out of `next`. Each is to be called from one task, or one event loop.
package final class Watcher: Sendable {
  private let hub: ChangelogHub
  private let number: Int
  private let ring: @Sendable () -> Void
  private let machine: Mutex<WatchMachine>

  init(
    hub: ChangelogHub,
    number: Int,
    ring: @escaping @Sendable () -> Void,
    machine: WatchMachine
  ) {
    self.hub = hub
    self.number = number
    self.ring = ring
    self.machine = Mutex(machine)
  }

  /// - Throws: `WatchFault`: the stream is to be ended.
  package func receive(
    _ request: Bindery_V1_WatchRequest,
    at now: ContinuousClock.Instant = .now
  ) throws(WatchFault) {
    let fault: WatchFault? = machine.withLock { machine in
      do throws(WatchFault) {
        try machine.receive(request, at: now)
        return nil
      } catch {
        return error
      }
    }
    if let fault { throw fault }
    ring()
  }

  /// The next frame; nil until the watcher rings.
  package func next() throws -> EncodedFrame? {
    try machine.withLock { machine in
      while let step = hub.step(&machine) {
        switch step {
        case .write(let frame): return frame
        case .send(let message): return try ChangeEncoder.frame(message)
        case .encodeChunk(let position, let slot):
          machine.encoded(
            try slot.value {
              try ChangeEncoder.snapshotChunk(
                position,
                scope: machine.encoding,
                rejected: machine.rejected,
                limit: hub.limits.chunkBytes
              )
            }
          )
        case .encodeDelta(let position, let slot):
          machine.encoded(
            try slot.value {
              try ChangeEncoder.delta(
                position(),
                scope: machine.encoding,
                rejected: machine.rejected,
                limit: hub.limits.chunkBytes
              )
            }
          )
        }
      }
      return nil
    }
  }

  /// Where the node was found to stand, once that is decided; nil when it could not go on from there.
  package var resumedFrom: Revision? { machine.withLock { $0.resumedFrom } }

  /// Whether a revision of the store that is followed now was sent, or is about to be.
  package func hasSent(_ revision: Revision) -> Bool { machine.withLock { revision <= $0.cursor } }

  /// Data may flow.
  package func admit() {
    machine.withLock { $0.admit() }
    ring()
  }

  /// The store knows of the node since then: it may be given leases, once the store was asked for switches
  /// later than that.
  package func register(at instant: ContinuousClock.Instant) {
    machine.withLock { $0.register(at: instant) }
    ring()
  }

  /// It gets no more leases until it is registered anew.
  package func suspend() { machine.withLock { $0.suspend() } }

  /// Tells the node to go elsewhere, after a while in ms and a random time on top.
  package func drain(after: Int64, jitter: Int64) {
    machine.withLock { $0.drain(after: after, jitter: jitter) }
    ring()
  }

  /// No more rings; lets go of what the stream held.
  package func close() { hub.close(number) }
}
