package import Foundation

/// The kinds of objects that authors write.
package enum ObjectKind: String, Hashable, Sendable, Codable, CaseIterable {
  case tenant = "Tenant"
  case human = "Human"
  case team = "Team"
  case agent = "Agent"
  case binding = "Binding"
}

/// Names an authored object. A tenant's own key has its slug in both places.
package struct ObjectKey: Hashable, Sendable, Codable, Comparable, CustomStringConvertible {
  package var kind: ObjectKind
  package var tenant: String
  package var slug: String

  package init(kind: ObjectKind, tenant: String, slug: String) {
    self.kind = kind
    self.tenant = tenant
    self.slug = slug
  }

  package var description: String {
    kind == .tenant ? "Tenant \(slug)" : "\(kind.rawValue) \(tenant)/\(slug)"
  }

  package static func < (a: Self, b: Self) -> Bool {
    (a.tenant, rank(a.kind), a.slug) < (b.tenant, rank(b.kind), b.slug)
  }

  private static func rank(_ kind: ObjectKind) -> Int {
    switch kind {
    case .tenant: 0
    case .human: 1
    case .team: 2
    case .agent: 3
    case .binding: 4
    }
  }
}

/// A document as read from a file: not checked yet.
package struct AuthoredDocument: Hashable, Sendable {
  package var key: ObjectKey
  package var spec: JSONValue
  /// "file:line" of its start.
  package var source: String

  package init(key: ObjectKey, spec: JSONValue, source: String) {
    self.key = key
    self.spec = spec
    self.source = source
  }
}

/// An object as stored: the newest version of its spec.
package struct StoredObject: Hashable, Sendable, Codable {
  package var key: ObjectKey
  package var id: UUID
  /// From 1, rises with each change.
  package var version: Int32
  /// The spec as authored, references by slug. Complete: columns are derived from it.
  package var spec: JSONValue
  /// Tenants only; not part of the spec, switches change it.
  package var status: TenantStatus?
  package var switchRevision: Revision?
  package var updatedAt: Date
  /// Label of the place that its documents come from, e.g. a repository; empty when none owns it.
  package var source: String

  package init(
    key: ObjectKey,
    id: UUID,
    version: Int32,
    spec: JSONValue,
    status: TenantStatus? = nil,
    switchRevision: Revision? = nil,
    updatedAt: Date,
    source: String = ""
  ) {
    self.key = key
    self.id = id
    self.version = version
    self.spec = spec
    self.status = status
    self.switchRevision = switchRevision
    self.updatedAt = updatedAt
    self.source = source
  }
}

/// What a plan is made against: the objects that documents name and all that depends on them, not
/// more of the tenants than that.
package struct World: Sendable {
  /// An object that others refer to, without what it says.
  package struct Name: Hashable, Sendable {
    package var id: UUID
    package var version: Int32

    package init(id: UUID, version: Int32) {
      self.id = id
      self.version = version
    }
  }

  /// What tells a binding's stored compiled form from another one.
  package struct CompiledForm: Hashable, Sendable {
    package var digest: Digest
    package var isActive: Bool
    /// That it names, and which are stored therefore.
    package var sections: Set<Digest>

    package init(digest: Digest, isActive: Bool, sections: Set<Digest>) {
      self.digest = digest
      self.isActive = isActive
      self.sections = sections
    }

    package init(_ binding: BindingResource) {
      self.init(
        digest: binding.digest,
        isActive: binding.isActive,
        sections: Set(binding.sectionDigests)
      )
    }
  }

  package var revision: Revision
  package var objects: [ObjectKey: StoredObject]
  /// What was deleted: when it comes back, it has the same id and its versions go on.
  package var deleted: [ObjectKey: StoredObject]
  /// Objects beyond these that are there to be referred to.
  package var names: [ObjectKey: Name]
  /// Routes of the bindings among the objects, and those that documents claim, whosever they are.
  package var routes: [RouteResource]
  /// Owners of the webhook slugs that documents claim, and of those of the tenants among the objects.
  package var accountOwners: [String: TenantID]
  /// The stored compiled forms of bindings among the objects.
  package var compiled: [BindingID: CompiledForm]

  package init(
    revision: Revision,
    objects: [ObjectKey: StoredObject],
    deleted: [ObjectKey: StoredObject] = [:],
    names: [ObjectKey: Name] = [:],
    routes: [RouteResource],
    accountOwners: [String: TenantID],
    compiled: [BindingID: CompiledForm] = [:]
  ) {
    self.revision = revision
    self.objects = objects
    self.deleted = deleted
    self.names = names
    self.routes = routes
    self.accountOwners = accountOwners
    self.compiled = compiled
  }
}

/// Everything that one commit writes, made by the planner and carried out by the store in one
/// transaction, or not at all.
package struct Publication: Sendable {
  /// Objects created or changed, already with their new version.
  package var objects: [StoredObject]
  /// Objects deleted, with the version that says so.
  package var deleted: [StoredObject]
  /// Objects of which only the owner changes: no new version, no new revision.
  package var adopted: [StoredObject]
  /// The versions that the plan was made against (0: absent): checked again under the lock.
  package var expected: [ObjectKey: Int32]
  /// The owners, as the plan has seen them, of existing objects that it writes: an owner can change
  /// without a version, so they are checked again, too.
  package var owners: [ObjectKey: String]
  /// What the plan has seen that depends on the tiers that it writes: the bindings that use them, the
  /// teams that name what it deletes. One that is there by then and stands not here was compiled with
  /// what the plan changes. Nil: unchecked.
  package var seen: Set<ObjectKey>?
  /// Objects that must still be there, at whatever version: what the plan writes names them.
  package var named: [ObjectKey: Int32]
  /// Resources put, tenants first and bindings after their sections.
  package var resources: [ConfigResource]
  package var removed: [ResourceKey]
  package var author: String
  package var reason: String
  /// Of the compiler that made the resources: nothing is stored when another one took over. Nil:
  /// unchecked.
  package var generation: Int32?
  /// What it stores goes out by this rollout: its resources are candidates.
  package var rollout: RolloutDraft?

  package init(
    objects: [StoredObject],
    deleted: [StoredObject] = [],
    adopted: [StoredObject] = [],
    expected: [ObjectKey: Int32],
    owners: [ObjectKey: String] = [:],
    seen: Set<ObjectKey>? = nil,
    named: [ObjectKey: Int32] = [:],
    resources: [ConfigResource],
    removed: [ResourceKey],
    author: String,
    reason: String,
    generation: Int32? = nil
  ) {
    self.generation = generation
    self.objects = objects
    self.owners = owners
    self.seen = seen
    self.named = named
    self.deleted = deleted
    self.adopted = adopted
    self.expected = expected
    self.resources = resources
    self.removed = removed
    self.author = author
    self.reason = reason
  }
}

/// One commit as the changelog keeps it.
package struct Commit: Sendable {
  package var revision: Revision
  package var committedAt: Date
  package var resources: [ConfigResource]
  package var removed: [ResourceKey]

  package init(
    revision: Revision,
    committedAt: Date,
    resources: [ConfigResource],
    removed: [ResourceKey]
  ) {
    self.revision = revision
    self.committedAt = committedAt
    self.resources = resources
    self.removed = removed
  }
}
