internal import Domain
internal import Foundation
internal import SwiftProtobuf
internal import Wire
internal import WireMapping

/// Turns keys and states into frames.
enum ChangeEncoder {
  /// A frame is closed once it has reached this size, in bytes.
  static let chunkBytes = 256 * 1024
  /// An Invalidation names so many bindings; the others are told as removals, in chunks before it.
  static let nameLimit = 5_000

  /// One message, serialised.
  static func frame(_ message: Bindery_V1_WatchResponse.OneOf_Message) throws -> EncodedFrame {
    var response = Bindery_V1_WatchResponse()
    response.message = message
    return EncodedFrame(bytes: try response.serializedBytes())
  }

  /// The chunk of a snapshot that starts at `position`.
  static func snapshotChunk(
    _ position: SnapshotPosition,
    scope: WatchScope,
    rejected: [ResourceKey: Digest],
    limit: Int
  ) throws -> FrameSlot.Content {
    var chunk = Bindery_V1_Changes()
    var size = 0
    let next = position.taking { entry in
      if position.state.carries(entry.resource.key, in: scope) {
        size += put(entry.resource, into: &chunk, rejected: rejected)
      }
      return size < limit
    }
    return FrameSlot.Content(
      frame: try frame(.snapshotChunk(chunk)),
      next: next.map { .snapshot($0) } ?? .end
    )
  }

  /// The part that starts at `position` of what changed between two revisions: chunks first, and the
  /// Delta or Invalidation last.
  static func delta(
    _ position: DeltaPosition,
    scope: WatchScope,
    rejected: [ResourceKey: Digest],
    limit: Int
  ) throws -> FrameSlot.Content {
    let state = position.state
    let unnamed = Set(position.named.dropFirst(nameLimit))
    var changes = Bindery_V1_Changes()
    var size = 0
    /// A candidate for other nodes may stand where the node holds one of an earlier rollout.
    func isWithheld(_ key: ResourceKey) -> Bool {
      if case .candidate = key { scope.carries(key) } else { false }
    }
    let next = position.taking { key in
      if case .candidate(let tenant, let id) = key, unnamed.contains(.binding(tenant, id)) {
        // Fetched along with its binding, and gone with it.
        changes.remove(.binding(tenant, id))
        changes.remove(key)
        size += 240
      } else if let entry = state[key] {
        if state.carries(key, in: scope) {
          size += put(entry.resource, into: &changes, rejected: rejected)
        } else if unnamed.contains(key) || isWithheld(key) {
          changes.remove(key)
          size += 120
        }
      } else if scope.admits(key.tenantID) {
        changes.remove(key)
        size += 120
      }
      return size < limit
    }
    if let next {
      return FrameSlot.Content(frame: try frame(.deltaChunk(changes)), next: .delta(next))
    }
    switch scope.mode {
    case .eager:
      var delta = Bindery_V1_Delta()
      delta.fromRevision = position.from.value
      delta.revision = state.revision.value
      delta.changes = changes
      return FrameSlot.Content(frame: try frame(.delta(delta)), next: .end)
    case .lazy:
      var invalidation = Bindery_V1_Invalidation()
      invalidation.fromRevision = position.from.value
      invalidation.revision = state.revision.value
      invalidation.keys = position.named.prefix(nameLimit).map(\.wire)
      invalidation.changes = changes
      invalidation.subscribeSeq = position.subscribeSequence
      return FrameSlot.Content(frame: try frame(.invalidation(invalidation)), next: .end)
    }
  }

  /// Adds a resource and tells about how many bytes it takes.
  ///
  /// What the node has refused is not sent again: a section not at all, a binding without content,
  /// since whether it is active still counts, and so a candidate, since it is still refused.
  private static func put(
    _ resource: ConfigResource,
    into changes: inout Bindery_V1_Changes,
    rejected: [ResourceKey: Digest]
  ) -> Int {
    switch resource {
    case .binding(let binding):
      var wire = binding.wire
      if rejected[resource.key] == binding.digest { wire.content = Data() }
      changes.bindings.append(wire)
      return wire.content.count + 34 * binding.sectionDigests.count + 90
    case .section(let section):
      if rejected[resource.key] == section.digest { return 0 }
      changes.put(resource)
      return section.content.utf8.count + 70
    case .tenant(let tenant):
      changes.put(resource)
      return 200 + tenant.pausedMessage.values.reduce(0) { $0 + $1.utf8.count }
    case .candidate(let candidate):
      var wire = candidate.wire
      if rejected[resource.key] == candidate.digest { wire.content = Data() }
      changes.candidates.append(wire)
      return wire.content.count + 34 * candidate.sectionDigests.count + 200
    case .channelAccount, .route:
      changes.put(resource)
      return 200
    }
  }
}
