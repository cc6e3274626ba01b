import Domain
import Foundation
import Wire
import WireMapping

/// Messages in a form that a person reads.
enum Telling {
  static func of(_ message: Bindery_V1_WatchResponse) -> String {
    switch message.message {
    case .resumed(let it): "Resumed from \(it.from)"
    case .snapshotBegin(let it): "SnapshotBegin \(it.revision)"
    case .snapshotChunk(let it): "chunk of the snapshot: \(of(it))"
    case .snapshotEnd(let it): "SnapshotEnd \(it.revision)"
    case .delta(let it): "Delta \(it.fromRevision) -> \(it.revision): \(of(it.changes))"
    case .invalidation(let it):
      "Invalidation \(it.fromRevision) -> \(it.revision) of \(it.keys.map(\.key)), "
        + "subscribes through \(it.subscribeSeq): \(of(it.changes))"
    case .control(let it):
      "Control: tenant \(it.tenantID.dropFirst().first ?? 0) \(it.status) @\(it.switchRevision)"
    case .heartbeat(let it):
      "Heartbeat \(it.statusSeq): newest \(it.revision), lease \(it.leaseMs) ms"
    case .drain(let it): "Drain after \(it.afterMs) ms, jitter \(it.jitterMs) ms"
    case .cursorExpired(let it): "CursorExpired, oldest is \(it.oldestRevision)"
    case .deltaChunk(let it): "chunk of the delta: \(of(it))"
    case nil: "nothing known"
    }
  }

  static func of(_ request: Bindery_V1_WatchRequest) -> String {
    switch request.message {
    case .hello(let it):
      "Hello at \(it.resumeRevision) of \(it.storeIncarnation.prefix(2).map { $0 }), "
        + "\(it.mode), refuses \(it.rejected.count)"
    case .subscribe(let it):
      "Subscribe \(it.subscribeSeq): +\(it.add.map { $0.dropFirst().prefix(2).map { $0 } })"
        + " -\(it.remove.map { $0.dropFirst().prefix(2).map { $0 } })"
    case .ack(let it) where it.hasControl:
      "Ack of the switch of tenant \(it.control.tenantID.dropFirst().first ?? 0)"
        + " @\(it.control.switchRevision)"
    case .ack(let it): "Ack \(it.revision), refuses \(it.rejected.map(\.key.key))"
    case .status(let it): "Status \(it.statusSeq)"
    case nil: "nothing known"
    }
  }

  private static func of(_ changes: Bindery_V1_Changes) -> String {
    let read = ReadChanges(changes)
    return (read.resources.map(WorldActions.describe) + read.removed.map { "- \($0)" })
      .joined(separator: ", ")
  }
}
