import Changelog
import Domain
import Foundation
import Subscription
import Wire
import WireMapping

extension Checker {
  /// A replica writes a message on a stream.
  func wrote(_ message: Bindery_V1_WatchResponse, on link: Link) throws {
    let hub = link.replica.hub
    switch message.message {
    case .resumed(let it): try opened(link, resumedFrom: Revision(it.from), hub)
    case .cursorExpired, .snapshotBegin:
      if !link.record.isOpened { try opened(link, resumedFrom: nil, hub) }
      if case .snapshotBegin(let it)? = message.message,
        let id = TenantID(bytes: it.storeIncarnation)
      {
        link.record.beginsSnapshot(id.uuid)
      }
    case .snapshotChunk(let it): try changes(it, on: link, isDelta: false)
    case .snapshotEnd(let it): link.record.endsSnapshot(Revision(it.revision))
    case .deltaChunk(let it): try changes(it, on: link, isDelta: true)
    case .delta(let it):
      try changes(it.changes, on: link, isDelta: true)
      try ends(from: it.fromRevision, to: it.revision, on: link)
    case .invalidation(let it):
      try changes(it.changes, on: link, isDelta: true)
      for wire in it.keys {
        let key = LinkRecord.key(wire)
        try Self.require(
          link.scope.admits(key?.tenantID),
          .scope,
          "\(link.name): \(wire.key) is named"
        )
      }
      try ends(from: it.fromRevision, to: it.revision, on: link)
    case .control(let it):
      guard let tenant = TenantID(bytes: it.tenantID) else { return }
      try Self.require(
        link.scope.admits(tenant),
        .scope,
        "\(link.name): a switch of tenant \(tenant.bytes[1])"
      )
      let revision = Revision(it.switchRevision)
      link.record.controls[tenant] = max(link.record.controls[tenant] ?? .zero, revision)
    case .heartbeat(let it): if it.leaseMs > 0 { try leases(link, hub) }
    case .drain, nil: break
    }
  }

  /// An answer to a Fetch.
  func fetched(_ answer: Bindery_V1_FetchResponse, on link: Link) throws {
    for key in ReadChanges(answer.changes).resources.map(\.key) {
      try Self.require(link.scope.admits(key.tenantID), .scope, "\(link.name): fetched \(key)")
    }
    for case .candidate(let candidate) in ReadChanges(answer.changes).resources {
      try Self.require(
        candidate.audience.includes(region: link.node.region, labels: link.node.labels),
        .cohort,
        "\(link.name): fetched a candidate that is for other nodes"
      )
    }
  }

  /// The first thing that tells where the stream goes on.
  private func opened(
    _ link: Link,
    resumedFrom revision: Revision?,
    _ hub: ChangelogHub
  ) throws {
    link.record.isOpened = true
    guard let state = hub.configuration, let oldest = hub.oldestRevision else { return }
    let store = link.scope.incarnation(of: state.incarnation)
    let cursor = link.record.cursor
    let isRetained =
      cursor.map {
        $0.incarnation == store && $0.revision >= oldest && $0.revision <= state.revision
      } ?? false
    if let revision {
      try Self.require(
        isRetained && cursor?.revision == revision,
        .resume,
        "\(link.name) resumes from \(revision), which is not retained or of another store"
      )
      link.record.position = cursor
    } else {
      try Self.require(
        !isRetained,
        .resume,
        "\(link.name) gets a snapshot, though its cursor \(cursor?.revision ?? .zero) is retained"
      )
    }
  }

  private func changes(
    _ changes: Bindery_V1_Changes,
    on link: Link,
    isDelta: Bool
  ) throws {
    let read = ReadChanges(changes)
    let keys = read.resources.map(\.key) + read.removed
    for key in keys {
      try Self.require(link.scope.admits(key.tenantID), .scope, "\(link.name): \(key)")
    }
    for case .binding(let binding) in read.resources where !binding.content.isEmpty {
      let key = ResourceKey.binding(binding.tenantID, binding.bindingID)
      try Self.require(
        link.record.refused[key]?.contains(binding.digest) != true,
        .rejection,
        "\(link.name): \(key) is sent again in the form that was refused"
      )
    }
    for case .candidate(let candidate) in read.resources {
      let isSent = !candidate.content.isEmpty
      let key = ResourceKey.candidate(candidate.tenantID, candidate.bindingID)
      try Self.require(
        !isSent || link.record.refused[key]?.contains(candidate.digest) != true,
        .rejection,
        "\(link.name): \(key) is sent again in the form that was refused"
      )
      try Self.require(
        candidate.audience.includes(region: link.node.region, labels: link.node.labels),
        .cohort,
        "\(link.name): \(key) is for other nodes"
      )
    }
    if isDelta { link.record.deltaKeys += keys }
  }

  /// A delta is complete.
  private func ends(from: Int64, to: Int64, on link: Link) throws {
    let keys = link.record.deltaKeys
    link.record.deltaKeys = []
    try Self.require(
      Set(keys).count == keys.count,
      .coalescing,
      "\(link.name): the delta from \(from) to \(to) names a key twice"
    )
    try Self.require(
      link.record.position?.revision.value == from && to > from,
      .order,
      "\(link.name): a delta from \(from) to \(to) at \(link.record.position?.revision ?? .zero)"
    )
    link.record.position?.revision = Revision(to)
    guard let line = link.line, line.holds(Revision(from)), line.holds(Revision(to)) else {
      return
    }
    let touched = line.touched(after: Revision(from), through: Revision(to))
    if let other = keys.first(where: { !touched.contains($0) }) {
      throw Violation(
        rule: .resume,
        what: "\(link.name): \(other) did not change from \(from) to \(to)"
      )
    }
  }

  /// Before a lease is given, every switch that its giver knows is on the stream.
  private func leases(_ link: Link, _ hub: ChangelogHub) throws {
    guard let state = hub.configuration, link.record.servesSomething || link.record.isWhole
    else { return }
    let store = link.scope.incarnation(of: state.incarnation)
    for number in WorldActions.tenants {
      let id = Catalogue.tenantID(number)
      guard link.scope.admits(id), case .tenant(let tenant)? = state[.tenant(id)]?.resource,
        tenant.switchRevision > .zero, tenant.status != .active
      else { continue }
      let told = max(
        link.record.controls[id] ?? .zero,
        link.record.told.flatMap { $0.incarnation == store ? $0.revision : nil } ?? .zero,
        link.record.cursor.flatMap { $0.incarnation == store ? $0.revision : nil } ?? .zero
      )
      try Self.require(
        told >= tenant.switchRevision,
        .leaseAfterSwitch,
        "\(link.name): a lease comes before switch \(tenant.switchRevision) of tenant \(number)"
      )
    }
  }
}
