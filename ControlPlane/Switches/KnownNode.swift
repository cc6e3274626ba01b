package import Changelog
package import Domain
package import Foundation

/// What a node refused, and serves in its last good form.
package struct NodeRejection: Hashable, Sendable {
  package var key: ResourceKey
  package var digest: Digest?
  package var code: String
  package var message: String

  package init(key: ResourceKey, digest: Digest?, code: String, message: String) {
    self.key = key
    self.digest = digest
    self.code = code
    self.message = message
  }
}

/// A node as its streams told of it.
package struct KnownNode: Sendable {
  package struct Acknowledgement: Hashable, Sendable {
    package var revision: Revision
    package var at: Date
  }

  private static let acknowledgementLimit = 128
  private static let rejectionLimit = 1000
  private static let switchLimit = 1000

  package let nodeID: String
  package internal(set) var region = ""
  package internal(set) var labels: [String: String] = [:]
  package internal(set) var version = ""
  package internal(set) var edges: [String] = []
  package internal(set) var scope = WatchScope(mode: .eager)
  /// The newest revision it serves.
  package internal(set) var revision = Revision.zero
  package internal(set) var rejections: [ResourceKey: NodeRejection] = [:]
  package internal(set) var spoolDepth: Int64 = 0
  package internal(set) var activeTurns: Int32 = 0
  package internal(set) var lastSeen = Date()
  /// The latest at which its lease can end; nil when it was never given one.
  package internal(set) var leaseEnd: ContinuousClock.Instant?
  /// Address of the replica that told of it, and how old that was when it was read; nil for this one's own.
  package internal(set) var told: (by: String, age: Duration)?
  /// Open streams; more than one while an old one has not been noticed to be dead.
  var connections: [Int: Watcher?] = [:]
  /// Whether another replica has a stream of it.
  var isElsewhere = false
  /// Rises with each change that other replicas are to know of; the last one that they were told.
  var change = 0
  var toldChange = -1
  /// Its last sign of life that others were told of, and when they were.
  var toldSeen: ContinuousClock.Instant?
  var toldAt: ContinuousClock.Instant?
  /// Others were told that its lease is out: it gets none before they know otherwise.
  var isLapsed = false
  /// Streams that get no lease before others know of them.
  var unregistered: Set<Int> = []
  var seen = ContinuousClock.now
  /// The last ones, rising.
  var acknowledgements: [Acknowledgement] = []
  var switches: [TenantID: Acknowledgement] = [:]

  init(nodeID: String) { self.nodeID = nodeID }

  package var place: NodePlace { NodePlace(region: region, labels: labels) }

  package var isConnected: Bool { !connections.isEmpty || isElsewhere }

  /// Whether it can't be serving anything on a lease any more.
  package func isLeaseOut(at now: ContinuousClock.Instant) -> Bool {
    leaseEnd.map { $0 <= now } ?? !isConnected
  }

  /// When it first served a revision at least that high; nil when it does not.
  package func acknowledgement(of wanted: Revision) -> Date? {
    guard revision >= wanted else { return nil }
    return acknowledgements.first { $0.revision >= wanted }?.at ?? lastSeen
  }

  /// When it had a tenant's switch in force, told by itself or within data; nil when it has not.
  package func acknowledgement(of tenant: TenantID, _ wanted: Revision) -> Date? {
    var dates: [Date] = []
    if let made = switches[tenant], made.revision >= wanted { dates.append(made.at) }
    if let date = acknowledgement(of: wanted) { dates.append(date) }
    return dates.min()
  }

  mutating func see() {
    lastSeen = Date()
    seen = .now
  }

  mutating func acknowledge(_ revision: Revision, at date: Date) {
    guard revision > self.revision else { return }
    self.revision = revision
    change += 1
    acknowledgements.append(Acknowledgement(revision: revision, at: date))
    if acknowledgements.count > Self.acknowledgementLimit { acknowledgements.removeFirst() }
  }

  mutating func acknowledge(_ tenant: TenantID, _ revision: Revision, at date: Date) {
    if let known = switches[tenant], known.revision >= revision { return }
    change += 1
    switches[tenant] = Acknowledgement(revision: revision, at: date)
    if switches.count > Self.switchLimit,
      let oldest = switches.min(by: { $0.value.revision < $1.value.revision })
    {
      switches[oldest.key] = nil
    }
  }

  /// Nothing that it acknowledged is of the store that is followed now.
  mutating func forgetRevisions() {
    revision = .zero
    acknowledgements = []
    switches = [:]
    change += 1
  }

  mutating func reject(_ rejected: [NodeRejection]) {
    if !rejected.isEmpty { change += 1 }
    for rejection in rejected
    where rejections[rejection.key] != nil || rejections.count < Self.rejectionLimit {
      rejections[rejection.key] = rejection
    }
  }
}
