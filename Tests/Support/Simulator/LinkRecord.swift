import Domain
import Foundation
import Subscription
import Wire
import WireMapping

/// What a replica can know of a node by one stream, and what it has written on it.
struct LinkRecord {
  let cursor: SubscriptionMachine.Cursor?
  /// It serves something, whether or not it can go on from there.
  let servesSomething: Bool
  /// Which forms the replica knows to be refused.
  private(set) var refused: [ResourceKey: Set<Digest>] = [:]
  /// Whether Resumed or a snapshot's begin was written.
  var isOpened = false
  /// Where the node stands once it has read all that was written, and of which store that is.
  var position: SubscriptionMachine.Cursor? {
    didSet { if let position { told = position } }
  }
  /// Through which revision all switches are on the stream by data.
  private(set) var told: SubscriptionMachine.Cursor?
  /// Switches written, by tenant.
  var controls: [TenantID: Revision] = [:]
  /// Keys of the delta that is being written.
  var deltaKeys: [ResourceKey] = []

  init(_ hello: Bindery_V1_Hello) {
    if hello.resumeRevision > 0, let id = TenantID(bytes: hello.storeIncarnation) {
      cursor = .init(incarnation: id.uuid, revision: Revision(hello.resumeRevision))
    } else {
      cursor = nil
    }
    servesSomething = !hello.storeIncarnation.isEmpty
  }

  /// Whether a snapshot was written to its end.
  private(set) var isWhole = false
  private var snapshotOf: UUID?

  mutating func beginsSnapshot(_ incarnation: UUID) {
    if snapshotOf ?? position?.incarnation != incarnation { controls = [:] }
    position = nil
    deltaKeys = []
    isWhole = false
    snapshotOf = incarnation
  }

  mutating func endsSnapshot(_ revision: Revision) {
    isWhole = true
    position = snapshotOf.map { .init(incarnation: $0, revision: revision) }
  }

  /// The replica is about to read it.
  mutating func received(_ request: Bindery_V1_WatchRequest) {
    let rejections: [Bindery_V1_Rejection]
    switch request.message {
    case .hello(let hello): rejections = hello.rejected
    case .ack(let ack): rejections = ack.rejected
    default: return
    }
    for it in rejections {
      guard let digest = Digest(bytes: it.digest), let key = Self.key(it.key) else { continue }
      // Of a key, the newest refusal is remembered.
      refused[key] = [digest]
    }
  }

  static func key(_ wire: Bindery_V1_ResourceKey) -> ResourceKey? {
    do { return try ResourceKey(wire: wire) } catch { return nil }
  }
}
