package import Domain
package import Foundation
package import Wire
internal import WireMapping

/// One watch stream, node side, without I/O: what comes in becomes whole changes to apply.
package struct SubscriptionMachine: Sendable {
  /// Where a node stands on the revision line of one store.
  package struct Cursor: Hashable, Sendable {
    package var incarnation: UUID
    package var revision: Revision

    package init(incarnation: UUID, revision: Revision) {
      self.incarnation = incarnation
      self.revision = revision
    }
  }

  /// Changes that are to be applied at once.
  package struct Batch: Sendable {
    package var cursor: Cursor
    /// True: everything held before is replaced.
    package var isWhole: Bool
    package var changes: [Bindery_V1_Changes]
    /// LAZY: bindings whose cached form is old.
    package var invalidated: [BindingID]
    /// LAZY: the newest Subscribe that this takes into account.
    package var subscribeSequence: Int64

    package init(
      cursor: Cursor,
      isWhole: Bool,
      changes: [Bindery_V1_Changes],
      invalidated: [BindingID],
      subscribeSequence: Int64 = .max
    ) {
      self.cursor = cursor
      self.isWhole = isWhole
      self.changes = changes
      self.invalidated = invalidated
      self.subscribeSequence = subscribeSequence
    }
  }

  /// Whether a tenant's agents talk, as of a revision of a store.
  package struct Switch: Hashable, Sendable {
    package var tenantID: TenantID
    package var revision: Revision
    package var status: TenantStatus
    package var incarnation: UUID

    package init(
      tenantID: TenantID,
      revision: Revision,
      status: TenantStatus,
      incarnation: UUID
    ) {
      self.tenantID = tenantID
      self.revision = revision
      self.status = status
      self.incarnation = incarnation
    }
  }

  package enum Action: Sendable {
    case apply(Batch)
    case control(Switch)
    case heartbeat(revision: Revision, statusSequence: Int64, lease: Duration)
    /// To reconnect after a while and a random time on top.
    case drain(after: Duration, jitter: Duration)
  }

  /// Why the stream is of no more use: the node reconnects.
  package struct Fault: Error, Hashable, Sendable, CustomStringConvertible {
    package enum Code: String, Hashable, Sendable {
      /// `from_revision` is not where the node stands: it resumes from there anew.
      case gap = "WATCH_GAP"
      /// A message in a place where it may not stand.
      case unexpected = "WATCH_UNEXPECTED_MESSAGE"
      /// A field breaks the rules that stand beside it in the proto.
      case malformed = "WATCH_MALFORMED"
      /// The control plane has not been heard of for too long.
      case silent = "WATCH_SILENT"
    }

    package var code: Code
    package var what: String

    package var description: String { "\(code.rawValue): \(what)" }

    package static func == (a: Self, b: Self) -> Bool { a.code == b.code }

    package func hash(into hasher: inout Hasher) { hasher.combine(code) }
  }

  private enum Phase: Sendable {
    /// Legal: Resumed, CursorExpired, SnapshotBegin, Heartbeat, Drain.
    case opening
    /// Legal: chunks, SnapshotEnd, CursorExpired.
    case snapshot(Cursor, [Bindery_V1_Changes])
    /// Legal: Delta, Invalidation, delta chunks, CursorExpired.
    case live(Cursor)
  }

  private var phase = Phase.opening
  private var held: Cursor?
  /// Parts of the Delta or Invalidation that comes next.
  private var parts: [Bindery_V1_Changes] = []

  /// - Parameter held: what the node already has; its Hello said so.
  package init(held: Cursor?) { self.held = held }

  /// True once deltas follow.
  package var isLive: Bool { if case .live = phase { true } else { false } }

  /// - Throws: `Fault`: the stream is to be ended.
  package mutating func receive(_ response: Bindery_V1_WatchResponse) throws(Fault) -> Action? {
    guard let message = response.message else {
      // From a newer control plane; what matters to this version comes in what it knows.
      return nil
    }
    switch message {
    case .control(let control): return try action(control)
    case .heartbeat(let beat):
      return .heartbeat(
        revision: Revision(beat.revision),
        statusSequence: beat.statusSeq,
        lease: .milliseconds(beat.leaseMs)
      )
    case .drain(let drain):
      return .drain(after: .milliseconds(drain.afterMs), jitter: .milliseconds(drain.jitterMs))
    case .resumed(let resumed):
      guard case .opening = phase, let held, held.revision.value == resumed.from,
        try incarnation(resumed.storeIncarnation) == held.incarnation
      else { throw Fault(code: .unexpected, what: "resumed") }
      phase = .live(held)
      return nil
    case .cursorExpired:
      phase = .opening
      held = nil
      parts = []
      return nil
    case .snapshotBegin(let begin):
      guard case .opening = phase else { throw Fault(code: .unexpected, what: "snapshot_begin") }
      let cursor = Cursor(
        incarnation: try incarnation(begin.storeIncarnation),
        revision: Revision(begin.revision)
      )
      phase = .snapshot(cursor, [])
      return nil
    case .snapshotChunk(let chunk):
      guard case .snapshot(let cursor, let chunks) = phase else {
        throw Fault(code: .unexpected, what: "snapshot_chunk")
      }
      phase = .snapshot(cursor, chunks + [chunk])
      return nil
    case .snapshotEnd(let end):
      guard case .snapshot(let cursor, let chunks) = phase, cursor.revision.value == end.revision
      else { throw Fault(code: .unexpected, what: "snapshot_end") }
      phase = .live(cursor)
      return .apply(Batch(cursor: cursor, isWhole: true, changes: chunks, invalidated: []))
    case .deltaChunk(let chunk):
      guard case .live = phase else { throw Fault(code: .unexpected, what: "delta_chunk") }
      parts.append(chunk)
      return nil
    case .delta(let delta):
      return try advance(
        from: delta.fromRevision,
        to: delta.revision,
        delta.changes,
        invalidated: []
      )
    case .invalidation(let it):
      return try advance(
        from: it.fromRevision,
        to: it.revision,
        it.changes,
        invalidated: try bindings(it.keys),
        subscribeSequence: it.subscribeSeq
      )
    }
  }

  private mutating func advance(
    from: Int64,
    to: Int64,
    _ changes: Bindery_V1_Changes,
    invalidated: [BindingID],
    subscribeSequence: Int64 = .max
  ) throws(Fault) -> Action {
    guard case .live(var cursor) = phase else { throw Fault(code: .unexpected, what: "delta") }
    guard from == cursor.revision.value, to > from else {
      throw Fault(code: .gap, what: "from \(from) to \(to), at \(cursor.revision)")
    }
    cursor.revision = Revision(to)
    phase = .live(cursor)
    defer { parts = [] }
    return .apply(
      Batch(
        cursor: cursor,
        isWhole: false,
        changes: parts + [changes],
        invalidated: invalidated,
        subscribeSequence: subscribeSequence
      )
    )
  }

  private func action(_ control: Bindery_V1_Control) throws(Fault) -> Action? {
    guard let tenant = TenantID(bytes: control.tenantID) else {
      throw Fault(code: .malformed, what: "control's tenant_id")
    }
    guard let store else { throw Fault(code: .unexpected, what: "control") }
    do {
      return .control(
        Switch(
          tenantID: tenant,
          revision: Revision(control.switchRevision),
          status: try TenantStatus(wire: control.status),
          incarnation: store
        )
      )
    } catch {
      throw Fault(code: .malformed, what: "control's status")
    }
  }

  /// The store that the stream's revisions belong to; nil until it was told.
  var store: UUID? {
    switch phase {
    case .opening: nil
    case .snapshot(let cursor, _), .live(let cursor): cursor.incarnation
    }
  }

  private func incarnation(_ bytes: Data) throws(Fault) -> UUID {
    guard let id = TenantID(bytes: bytes) else {
      throw Fault(code: .malformed, what: "store_incarnation")
    }
    return id.uuid
  }

  private func bindings(_ keys: [Bindery_V1_ResourceKey]) throws(Fault) -> [BindingID] {
    var ids: [BindingID] = []
    for key in keys {
      guard key.kind == .binding, let id = BindingID(key.key) else {
        throw Fault(code: .malformed, what: "invalidated key")
      }
      ids.append(id)
    }
    return ids
  }
}
