package import Domain
package import Foundation
package import Wire
internal import WireMapping

/// A Hello, read and checked.
package struct WatchGreeting: Sendable {
  /// What a node already holds.
  package struct Cursor: Hashable, Sendable {
    package var incarnation: UUID
    package var revision: Revision
  }

  package var nodeID: String
  package var region: String
  package var labels: [String: String]
  package var version: String
  package var edges: [String]
  package var scope: WatchScope
  package var place: NodePlace { NodePlace(region: region, labels: labels) }
  /// nil when the node holds nothing that it could go on from.
  package var cursor: Cursor?
  /// Whether it serves something all the same, until it gets the whole.
  package var servesOld: Bool
  /// What the node refuses and holds in its last good form, as it says itself.
  package var rejected: [Bindery_V1_Rejection]

  /// Reads a Hello.
  ///
  /// - Throws: `WatchFault` that names the field.
  package init(_ hello: Bindery_V1_Hello) throws(WatchFault) {
    let name = hello.nodeID.utf8
    guard (1 ... 64).contains(name.count), name.allSatisfy(Self.isNameByte) else {
      throw WatchFault(.malformedHello, "node_id")
    }
    guard hello.labels.count <= 64, hello.edges.count <= 16, hello.region.utf8.count <= 64,
      hello.version.utf8.count <= 128
    else { throw WatchFault(.malformedHello, "labels, edges, region or version are too many") }
    let mode: WatchScope.Mode
    switch hello.mode {
    case .eager: mode = .eager
    case .lazy: mode = .lazy
    case .unspecified, .UNRECOGNIZED: throw WatchFault(.malformedHello, "mode")
    }
    var tenants: Set<TenantID> = []
    for bytes in hello.filter.tenantIds {
      guard let id = TenantID(bytes: bytes) else { throw WatchFault(.malformedID, "filter") }
      tenants.insert(id)
    }
    if hello.resumeRevision > 0 {
      guard let id = TenantID(bytes: hello.storeIncarnation) else {
        throw WatchFault(.malformedID, "store_incarnation")
      }
      cursor = Cursor(incarnation: id.uuid, revision: Revision(hello.resumeRevision))
    }
    servesOld = cursor == nil && !hello.storeIncarnation.isEmpty
    nodeID = hello.nodeID
    region = hello.region
    labels = hello.labels
    version = hello.version
    edges = hello.edges
    rejected = hello.rejected
    scope = WatchScope(mode: mode, tenants: tenants.isEmpty ? nil : tenants)
  }

  private static func isNameByte(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a") ... UInt8(ascii: "z"), UInt8(ascii: "A") ... UInt8(ascii: "Z"),
      UInt8(ascii: "0") ... UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"),
      UInt8(ascii: "-"):
      true
    default: false
    }
  }
}
