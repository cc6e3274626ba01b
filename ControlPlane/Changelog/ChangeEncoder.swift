internal import Domain
internal import Foundation
internal import SwiftProtobuf
internal import Wire
internal import WireMapping

/// Turns keys and states into frames.
enum ChangeEncoder {
  /// A frame is closed once it has reached this size, in bytes.
  static let chunkBytes = 256 * 1024

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
    rejected: [ResourceKey: Digest]
  ) throws -> FrameSlot.Content {
    var chunk = Bindery_V1_Changes()
    var size = 0
    let next = position.taking { entry in
      if scope.carries(entry.resource.key) {
        size += put(entry.resource, into: &chunk, rejected: rejected)
      }
      return size < chunkBytes
    }
    return FrameSlot.Content(frames: [try frame(.snapshotChunk(chunk))], next: next)
  }

  /// What changed between two revisions: chunks first, and the Delta or Invalidation last.
  ///
  /// - Parameter named: LAZY: the bindings that an Invalidation is to name.
  static func delta(
    from: Revision,
    state: ConfigState,
    dirty: Set<ResourceKey>,
    scope: WatchScope,
    rejected: [ResourceKey: Digest],
    named: [ResourceKey]
  ) throws -> [EncodedFrame] {
    var frames: [EncodedFrame] = []
    var changes = Bindery_V1_Changes()
    var size = 0
    for key in dirty {
      if size >= chunkBytes {
        frames.append(try frame(.deltaChunk(changes)))
        changes = Bindery_V1_Changes()
        size = 0
      }
      guard let entry = state[key] else {
        if scope.admits(key.tenantID) {
          changes.remove(key)
          size += 120
        }
        continue
      }
      if scope.carries(key) { size += put(entry.resource, into: &changes, rejected: rejected) }
    }
    switch scope.mode {
    case .eager:
      var delta = Bindery_V1_Delta()
      delta.fromRevision = from.value
      delta.revision = state.revision.value
      delta.changes = changes
      frames.append(try frame(.delta(delta)))
    case .lazy:
      var invalidation = Bindery_V1_Invalidation()
      invalidation.fromRevision = from.value
      invalidation.revision = state.revision.value
      invalidation.keys = named.map(\.wire)
      invalidation.changes = changes
      frames.append(try frame(.invalidation(invalidation)))
    }
    return frames
  }

  /// Adds a resource and tells about how many bytes it takes.
  ///
  /// What the node has refused is not sent again: a section not at all, a binding without content,
  /// since whether it is active still counts.
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
    case .channelAccount, .route:
      changes.put(resource)
      return 200
    }
  }
}
