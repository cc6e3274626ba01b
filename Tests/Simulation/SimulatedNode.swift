import Changelog
import Domain
import Foundation
import Subscription
import SwiftProtobuf
import Wire

/// A node without sockets and disk, on one end of a watcher: reads when it is told to.
struct SimulatedNode {
  private(set) var state = NodeState(image: nil, switches: SwitchTable())
  private(set) var snapshots = 0
  private(set) var bytes = 0
  private(set) var rejections: [Bindery_V1_Rejection] = []
  private var open: (watcher: Watcher, stream: NodeStream)?
  let hub: ChangelogHub
  let mode: NodeIdentity.Mode
  let filter: [TenantID]

  init(hub: ChangelogHub, mode: NodeIdentity.Mode = .eager, filter: [TenantID] = []) {
    self.hub = hub
    self.mode = mode
    self.filter = filter
  }

  var image: ConfigImage { state.image }
  var switches: SwitchTable { state.switches }
  var isConnected: Bool { open != nil }

  mutating func connect() throws {
    disconnect()
    let watcher = hub.watch(leaseMilliseconds: 5000)
    let stream = NodeStream(state, at: .now)
    let identity = NodeIdentity(nodeID: "node", region: "", version: "1", mode: mode)
    var request = stream.hello(identity, state)
    request.hello.filter.tenantIds = filter.map(\.data)
    try watcher.receive(request)
    open = (watcher, stream)
  }

  mutating func disconnect() {
    open?.watcher.close()
    open = nil
  }

  /// Reads up to `limit` frames; false when there was none left.
  mutating func read(_ limit: Int = .max) throws -> Bool {
    for _ in 0 ..< limit {
      guard let frame = try open?.watcher.next() else { return false }
      bytes += frame.bytes.count
      let message = try Bindery_V1_WatchResponse(serializedBytes: frame.bytes)
      switch try open?.stream.receive(message, at: .now) {
      case .apply(let batch):
        if batch.isWhole { snapshots += 1 }
        let (next, rejected, dropped) = state.image.applying(batch)
        rejections += rejected
        let change = state.adopt(next)
        open?.stream.applied(batch, rejected: rejected, dropped: dropped, after: change)
      case .take(let made):
        if let (inForce, change) = state.take(made) {
          open?.stream.took(made.tenantID, inForce, after: change)
        }
      case .heartbeat, nil: break
      }
      if let unwritten = state.unwritten { state.wrote(unwritten.change) }
      for request in open?.stream.take(written: state.written) ?? [] {
        try open?.watcher.receive(request)
      }
    }
    return true
  }

  /// What it holds, to compare.
  var held: Set<ConfigResource> { Set(image.resources) }
}
