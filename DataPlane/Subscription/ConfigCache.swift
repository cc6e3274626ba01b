package import Domain
internal import Foundation
internal import HashTreeCollections
package import Logging
internal import Synchronization
internal import Wire

/// The configuration that a node serves: swapped whole, read at any time by anyone.
package final class ConfigCache: ConfigurationReading {
  private let locked: Mutex<NodeState>
  /// Held while the next image is made, so that none is made from the same one twice.
  private let building = Mutex(())
  private let copy: DiskCopy
  private let age: Mutex<ConfigAge>
  /// What the disk copy holds; nil when it is to be written anew, whatever it holds.
  private let copied: Mutex<SubscriptionMachine.Cursor?>
  private let logger: Logger

  /// Starts from what the disk holds, or from nothing.
  ///
  /// - Throws: when switches can't be read. A broken copy of the configuration is only logged: the
  ///   control plane sends it anew.
  package init(copy: DiskCopy, logger: Logger) async throws {
    self.copy = copy
    self.logger = logger
    let (switches, switchFaults) = try await copy.readSwitches()
    let (found, faults) = try await copy.readConfiguration()
    for fault in switchFaults + faults {
      logger.warning("disk copy damaged", metadata: ["fault": "\(fault)"])
    }
    if !faults.isEmpty {
      logger.warning(
        found == nil
          ? "no disk copy is whole: a control plane has to send it all anew"
          : "the disk copy of before is used",
        metadata: ["revision": "\(found?.image.revision ?? .zero)"]
      )
    }
    copied = Mutex(faults.isEmpty ? found?.image.cursor : nil)
    age = Mutex(ConfigAge(copyFrom: found?.writtenAt, damages: switchFaults.count + faults.count))
    locked = Mutex(
      NodeState(image: found?.image, switches: switches, isMended: !switchFaults.isEmpty)
    )
  }

  // MARK: - ConfigurationReading

  package var snapshot: any ConfigurationSnapshot { image }

  package var isConnected: Bool { locked.withLock { $0.isConnected(at: .now) } }

  package func isActive(_ binding: BindingID) -> Bool {
    image.bindings[binding]?.resource.isActive ?? false
  }

  package func gate(_ tenant: TenantID) -> TenantGate {
    locked.withLock { $0.gate(tenant, at: .now) }
  }

  // MARK: - For people

  /// How far this node is behind, and what it refuses.
  package struct Status: Sendable {
    package var revision: Revision
    package var newestRevision: Revision
    package var isConnected: Bool
    package var rejections: [Rejection]
    package var bindingCount: Int
    /// How old what is served may be; nil with nothing to serve.
    package var age: Duration?
    /// Damaged files that were found at the start, and writes of the disk copy that failed since.
    package var copyFaults: Int
  }

  package var status: Status {
    let age = age.withLock { $0 }
    return locked.withLock { state in
      Status(
        revision: state.image.revision,
        newestRevision: max(state.newest, state.image.revision),
        isConnected: state.isConnected(at: .now),
        rejections: Array(state.image.rejections.values),
        bindingCount: state.image.bindings.count,
        age: state.image.cursor == nil ? nil : age.age(at: .now, Date()),
        copyFaults: age.damages
      )
    }
  }

  /// Whether there is anything to serve.
  package var isLoaded: Bool { image.cursor != nil }

  var image: ConfigImage { locked.withLock { $0.image } }
  var state: NodeState { locked.withLock { $0 } }

  // MARK: - From the subscription; one task at a time

  /// Applies a batch at once; tells what was refused or dropped, and which change of the switches has
  /// to be on disk before it may be acknowledged.
  ///
  /// - Parameter unconfirmed: see `NodeStream`; asked for while no other image can be made.
  func apply(
    _ batch: SubscriptionMachine.Batch,
    unconfirmed: () -> Set<BindingID>
  ) -> (rejected: [Bindery_V1_Rejection], dropped: Set<BindingID>, change: Int) {
    building.withLock { _ in
      let (next, rejected, dropped) = image.applying(batch, unconfirmed: unconfirmed())
      return (rejected, dropped, locked.withLock { $0.adopt(next) })
    }
  }

  /// Puts a switch in force; tells the revision in force, and which change has to be on disk; nil when
  /// there is nothing to acknowledge yet.
  func take(_ made: SubscriptionMachine.Switch) -> (inForce: Revision, change: Int)? {
    locked.withLock { $0.take(made) }
  }

  /// Brings the switches to disk; returns when it has all that were there at the call.
  func writeSwitches() async throws {
    guard locked.withLock({ $0.unwritten }) != nil else { return }
    let written = try await copy.write { self.locked.withLock { $0.unwritten } }
    if let written { locked.withLock { $0.wrote(written) } }
  }

  /// Adds a binding that was fetched; tells what was refused of it, and which change of the switches
  /// has to be on disk before that may be told. nil when the answer is of another revision than is
  /// held, or the binding was dropped meanwhile.
  func take(
    _ changes: Bindery_V1_Changes,
    asOf revision: Revision,
    isWanted: () -> Bool
  ) -> (rejected: [Bindery_V1_Rejection], change: Int)? {
    building.withLock { _ in
      guard revision == image.revision, isWanted() else { return nil }
      let (next, rejected) = image.adding(changes)
      return locked.withLock { state in
        guard state.adopt(fetched: next, asOf: revision) else { return nil }
        return (rejected: rejected, change: state.change)
      }
    }
  }

  func take(_ beat: NodeState.Heartbeat) {
    locked.withLock { $0.take(beat) }
    // A renewal says that the database holds nothing newer than what is on its way here.
    if beat.leaseEnd != nil { age.withLock { $0.heardAt = .now } }
  }

  func setStreaming(_ isStreaming: Bool) { locked.withLock { $0.isStreaming = isStreaming } }

  /// Keeps the disk copy up to date until cancelled: at most once in `interval`.
  func keepCopy(interval: Duration) async {
    while !Task.isCancelled {
      do {
        try await Task.sleep(for: interval)
      } catch { break }
      await writeCopy()
    }
    await writeCopy()
  }

  private func writeCopy() async {
    do {
      // A write that failed before is tried again here.
      try await writeSwitches()
      guard let image = state.copyable, image.cursor != copied.withLock({ $0 }) else { return }
      try await copy.write(image)
      copied.withLock { $0 = image.cursor }
    } catch {
      logger.error("disk copy not written", metadata: ["error": "\(error)"])
      age.withLock { $0.damages += 1 }
    }
  }
}
