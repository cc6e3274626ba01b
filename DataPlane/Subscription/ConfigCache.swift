package import Domain
internal import Foundation
internal import HashTreeCollections
package import Logging
internal import Synchronization
internal import Wire
internal import WireMapping

/// The configuration that a node serves: swapped whole, read at any time by anyone.
package final class ConfigCache: ConfigurationReading {
  private struct State {
    var image = ConfigImage()
    var switches = SwitchTable()
    /// By this node's monotonic clock; nil before the first heartbeat.
    var leaseEnd: ContinuousClock.Instant?
    var newest = Revision.zero
    var isStreaming = false
  }

  private let state = Mutex(State())
  /// Held while the next image is made, so that none is made from the same one twice.
  private let building = Mutex(())
  private let copy: DiskCopy
  private let logger: Logger

  /// Starts from what the disk holds, or from nothing.
  ///
  /// - Throws: when switches can't be read. A broken copy of the configuration is only logged: the
  ///   control plane sends it anew.
  package init(copy: DiskCopy, logger: Logger) async throws {
    self.copy = copy
    self.logger = logger
    let (switches, switchFaults) = try await copy.readSwitches()
    let (image, faults) = try await copy.readConfiguration()
    for fault in switchFaults + faults {
      logger.warning("disk copy damaged", metadata: ["fault": "\(fault)"])
    }
    state.withLock { state in
      state.switches = switches
      state.image = image ?? ConfigImage()
    }
  }

  // MARK: - ConfigurationReading

  package var snapshot: any ConfigurationSnapshot { image }

  package var isConnected: Bool {
    state.withLock { $0.isStreaming && ($0.leaseEnd.map { $0 > .now } ?? false) }
  }

  package func isActive(_ binding: BindingID) -> Bool {
    image.bindings[binding]?.resource.isActive ?? false
  }

  package func gate(_ tenant: TenantID) -> TenantGate {
    state.withLock { state in
      guard let resource = state.image.tenants[tenant] else { return .closed }
      var status = resource.status
      if let made = state.switches[tenant], made.revision > resource.switchRevision {
        status = made.status
      }
      switch status {
      case .archived: return .closed
      case .paused: return .paused(resource.pausedPolicy, message: resource.pausedMessage)
      case .active: break
      }
      if resource.stalePolicy == .refuse, state.leaseEnd.map({ $0 <= .now }) ?? true {
        return .stale
      }
      return .open
    }
  }

  // MARK: - For people

  /// How far this node is behind, and what it refuses.
  package struct Status: Sendable {
    package var revision: Revision
    package var newestRevision: Revision
    package var isConnected: Bool
    package var rejections: [Rejection]
    package var bindingCount: Int
  }

  package var status: Status {
    let isConnected = isConnected
    return state.withLock { state in
      Status(
        revision: state.image.revision,
        newestRevision: max(state.newest, state.image.revision),
        isConnected: isConnected,
        rejections: Array(state.image.rejections.values),
        bindingCount: state.image.bindings.count
      )
    }
  }

  /// Whether there is anything to serve.
  package var isLoaded: Bool { image.cursor != nil }

  var image: ConfigImage { state.withLock { $0.image } }

  // MARK: - From the subscription; one task at a time

  /// Applies a batch at once and tells what was refused.
  ///
  /// Switches that it brings are on disk before this returns, so that they may be acknowledged.
  func apply(_ batch: SubscriptionMachine.Batch) async throws -> [Bindery_V1_Rejection] {
    let (changed, refused): (SwitchTable?, [Bindery_V1_Rejection]) = building.withLock { _ in
      var builder = ImageBuilder(image, isWhole: batch.isWhole)
      builder.apply(batch)
      let image = builder.image
      let changed: SwitchTable? = state.withLock { state in
        let isOtherStore = state.switches.belong(to: batch.cursor.incarnation)
        let isNewer = state.switches.take(image.allTenants)
        state.image = image
        state.newest = max(isOtherStore ? .zero : state.newest, image.revision)
        return isOtherStore || isNewer ? state.switches : nil
      }
      return (changed, builder.refused.map(\.wire) + builder.unreadable.map(\.wire))
    }
    if let changed { try await copy.write(changed) }
    return refused
  }

  /// Puts a switch in force, on disk too; returns the one in force for the tenant.
  func take(
    _ tenant: TenantID,
    _ revision: Revision,
    _ status: TenantStatus
  ) async throws -> Revision {
    let (changed, inForce): (SwitchTable?, Revision) = state.withLock { state in
      let isNewer = state.switches.take(tenant, revision, status)
      return (isNewer ? state.switches : nil, state.switches[tenant]?.revision ?? revision)
    }
    if let changed { try await copy.write(changed) }
    return inForce
  }

  /// Adds a binding that was fetched; false when the answer is older than what is held.
  func take(_ changes: Bindery_V1_Changes, asOf revision: Revision) -> Bool {
    building.withLock { _ in
      if revision < image.revision { return false }
      var builder = ImageBuilder(image, isWhole: false)
      builder.apply([ReadChanges(changes)])
      let image = builder.image
      state.withLock { $0.image = image }
      return true
    }
  }

  func extendLease(to end: ContinuousClock.Instant, newest: Revision) {
    state.withLock { state in
      state.leaseEnd = max(state.leaseEnd ?? end, end)
      state.newest = max(state.newest, newest)
    }
  }

  func setStreaming(_ isStreaming: Bool) { state.withLock { $0.isStreaming = isStreaming } }

  /// Keeps the disk copy up to date until cancelled: at most once in `interval`.
  func keepCopy(interval: Duration) async {
    var written = image.cursor
    while !Task.isCancelled {
      do {
        try await Task.sleep(for: interval)
      } catch { break }
      await writeCopy(unless: &written)
    }
    await writeCopy(unless: &written)
  }

  private func writeCopy(unless written: inout SubscriptionMachine.Cursor?) async {
    let image = image
    guard image.cursor != written else { return }
    do {
      try await copy.write(image)
      written = image.cursor
    } catch {
      logger.error("disk copy not written", metadata: ["error": "\(error)"])
    }
  }
}

extension Rejection {
  var wire: Bindery_V1_Rejection {
    var wire = Bindery_V1_Rejection()
    wire.key = key.wire
    wire.digest = digest?.data ?? Data()
    wire.code = code
    wire.message = message
    return wire
  }
}

extension ReadChanges.Refusal {
  var wire: Bindery_V1_Rejection {
    var wire = Bindery_V1_Rejection()
    wire.key = key
    wire.digest = digest
    wire.code = error.code.rawValue
    wire.message = error.what
    return wire
  }
}
