import Changelog
import Domain
import Foundation
import SwiftProtobuf
import Wire

@testable import Subscription

/// A node without sockets and disk: its machine and image on one end of a watcher.
struct SimulatedNode {
  private(set) var image = ConfigImage()
  private(set) var switches = SwitchTable()
  private(set) var snapshots = 0
  private(set) var bytes = 0
  private(set) var rejections: [Rejection] = []
  private var stream: (watcher: Watcher, machine: SubscriptionMachine)?
  let hub: ChangelogHub
  let mode: Bindery_V1_WatchMode
  let filter: [TenantID]

  init(hub: ChangelogHub, mode: Bindery_V1_WatchMode = .eager, filter: [TenantID] = []) {
    self.hub = hub
    self.mode = mode
    self.filter = filter
  }

  var isConnected: Bool { stream != nil }

  mutating func connect() throws {
    disconnect()
    let watcher = hub.watch(leaseMilliseconds: 5000)
    var request = Bindery_V1_WatchRequest()
    request.hello.nodeID = "node"
    request.hello.mode = mode
    request.hello.filter.tenantIds = filter.map(\.data)
    if let cursor = image.cursor {
      request.hello.storeIncarnation = TenantID(cursor.incarnation).data
      request.hello.resumeRevision = cursor.revision.value
    }
    try watcher.receive(request)
    stream = (watcher, SubscriptionMachine(held: image.cursor))
  }

  mutating func disconnect() {
    stream?.watcher.close()
    stream = nil
  }

  /// Reads up to `limit` frames; false when there was none left.
  mutating func read(_ limit: Int = .max) throws -> Bool {
    for _ in 0 ..< limit {
      guard let frame = try stream?.watcher.next() else { return false }
      bytes += frame.bytes.count
      let message = try Bindery_V1_WatchResponse(serializedBytes: frame.bytes)
      guard let action = try stream?.machine.receive(message) else { continue }
      switch action {
      case .apply(let batch):
        if batch.isWhole { snapshots += 1 }
        var builder = ImageBuilder(image, isWhole: batch.isWhole)
        builder.apply(batch)
        image = builder.image
        rejections += builder.refused
        _ = switches.belong(to: batch.cursor.incarnation)
        _ = switches.take(image.allTenants)
        try tell { ack in
          ack.revision = batch.cursor.revision.value
          ack.applied = true
          ack.rejected = builder.refused.map(\.wire)
        }
      case .control(let tenant, let revision, let status):
        _ = switches.take(tenant, revision, status)
      case .heartbeat, .drain: break
      }
    }
    return true
  }

  private func tell(_ fill: (inout Bindery_V1_Ack) -> Void) throws {
    var request = Bindery_V1_WatchRequest()
    fill(&request.ack)
    try stream?.watcher.receive(request)
  }

  /// What it holds, to compare.
  var held: Set<ConfigResource> { Set(image.resources) }
}
