package import Domain
package import Foundation
internal import HashTreeCollections

/// What a node holds in memory, and how much of its switches has reached the disk. A value without I/O;
/// `ConfigCache` keeps one behind a lock and does the writing.
package struct NodeState: Sendable {
  /// Switches that are to be written, and the number that `wrote` is to be told afterwards.
  package struct Unwritten: Sendable {
    package var table: SwitchTable
    package var change: Int
  }

  package private(set) var image: ConfigImage
  package private(set) var switches: SwitchTable
  /// By this node's monotonic clock; nil before the first heartbeat.
  package private(set) var leaseEnd: ContinuousClock.Instant?
  package private(set) var newest = Revision.zero
  /// A lease given by a store whose configuration is not here yet: what is served until then may be of
  /// tenants that the node is not told of any more.
  private var nextLease: Heartbeat?
  package var isStreaming = false
  /// Counts the changes of the switches: in memory, and on disk.
  package private(set) var change = 0
  package private(set) var written = 0

  /// - Parameters:
  ///   - image: what the disk held; nil when there was nothing.
  ///   - isMended: the switches are to be written again, because a file of them was damaged.
  package init(image: ConfigImage?, switches: SwitchTable, isMended: Bool = false) {
    self.image = image ?? ConfigImage()
    self.switches = switches
    change = isMended ? 1 : 0
  }

  /// A lease renewed, or not, by a store.
  package struct Heartbeat: Hashable, Sendable {
    package var leaseEnd: ContinuousClock.Instant?
    package var newest: Revision
    /// nil when the stream has not told yet.
    package var incarnation: UUID?
  }

  // MARK: - Changes

  /// Puts the image that a batch has made in force.
  ///
  /// - Returns: The change that has to be on disk before this may be acknowledged.
  package mutating func adopt(_ next: ConfigImage) -> Int {
    let isOtherStore = image.cursor?.incarnation != next.cursor?.incarnation
    // A lease counts on the switches of its own store being known.
    if isOtherStore, image.cursor != nil { leaseEnd = nil }
    if let store = next.cursor?.incarnation, switches.take(next.allTenants, of: store) {
      change += 1
    }
    image = next
    newest = max(isOtherStore ? .zero : newest, next.revision)
    if let lease = nextLease, lease.incarnation == next.cursor?.incarnation {
      nextLease = nil
      take(lease)
    }
    return change
  }

  /// Adds what was fetched; false when the answer is of another revision than the one held.
  package mutating func adopt(fetched: ConfigImage, asOf revision: Revision) -> Bool {
    guard revision == image.revision, fetched.cursor == image.cursor else { return false }
    image = fetched
    return true
  }

  /// Puts a switch in force.
  ///
  /// - Returns: The revision in force for the tenant, and the change that has to be on disk before
  ///   this may be acknowledged. nil when data has to come first: nothing is acknowledged then.
  package mutating func take(
    _ made: SubscriptionMachine.Switch
  ) -> (inForce: Revision, change: Int)? {
    if switches.take(made.tenantID, made.revision, made.status, of: made.incarnation) {
      change += 1
    }
    let isOfStore = image.cursor == nil || image.cursor?.incarnation == made.incarnation
    guard isOfStore || made.status != .active,
      let revision = switches.revision(for: made.tenantID, of: made.incarnation)
    else { return nil }
    return (revision, change)
  }

  package mutating func take(_ beat: Heartbeat) {
    newest = max(newest, beat.newest)
    guard image.cursor == nil || beat.incarnation == image.cursor?.incarnation else {
      nextLease = beat
      return
    }
    guard let end = beat.leaseEnd else { return }
    leaseEnd = max(leaseEnd ?? end, end)
  }

  // MARK: - To the disk

  /// nil when the disk has all switches.
  package var unwritten: Unwritten? {
    change > written ? Unwritten(table: switches, change: change) : nil
  }

  package mutating func wrote(_ change: Int) { written = max(written, change) }

  /// What may be written as the disk copy: nothing while its switches are not on disk, so that after a
  /// crash the switches are never of an older store than the copy.
  package var copyable: ConfigImage? {
    unwritten == nil && image.cursor != nil ? image : nil
  }

  // MARK: - Reading

  package func isConnected(at now: ContinuousClock.Instant) -> Bool {
    isStreaming && (leaseEnd.map { $0 > now } ?? false)
  }

  package func gate(_ tenant: TenantID, at now: ContinuousClock.Instant) -> TenantGate {
    guard let resource = image.tenants[tenant] else { return .closed }
    switch switches.status(of: resource, in: image.cursor?.incarnation) {
    case .archived: return .closed
    case .paused: return .paused(resource.pausedPolicy, message: resource.pausedMessage)
    case .active: break
    }
    if resource.stalePolicy == .refuse, leaseEnd.map({ $0 <= now }) ?? true { return .stale }
    return .open
  }
}
