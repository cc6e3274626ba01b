package import Domain
package import Foundation
package import HashTreeCollections

/// The whole configuration as of one revision. Immutable to readers: a fold makes a new value that
/// shares all that did not change, so that a watcher may keep one for as long as it needs.
package struct ConfigState: Sendable {
  /// A resource and when it got this form.
  package struct Entry: Sendable {
    package let resource: ConfigResource
    package let changed: Revision
  }

  /// The resources of one owner.
  package typealias Shelf = TreeDictionary<ResourceKey, Entry>

  /// Tells a restored database from the one it was restored from.
  package let incarnation: UUID
  package private(set) var revision: Revision
  /// By owner; nil is the platform.
  package private(set) var shelves: TreeDictionary<TenantID?, Shelf> = [:]
  /// How many bindings name a section: by its key, and once more as if it were the platform's.
  private var references: TreeDictionary<ResourceKey, Int> = [:]
  /// Likewise how many candidates of each audience do.
  private var candidates: TreeDictionary<ResourceKey, [Audience: Int]> = [:]
  /// How many candidates are for some nodes only, by which.
  private var audienceCounts: [Audience: Int] = [:]

  /// The state that a store holds at `revision`.
  package init(incarnation: UUID, revision: Revision, resources: [ConfigResource]) {
    self.incarnation = incarnation
    self.revision = revision
    // In plain dictionaries first: what shares its past costs some times as much to fill.
    var owners: [TenantID?: [ResourceKey: Entry]] = [:]
    var counts: [ResourceKey: Int] = [:]
    for resource in resources {
      let key = resource.key
      let entry = Entry(resource: resource, changed: revision)
      let before = owners[key.tenantID, default: [:]].updateValue(entry, forKey: key)
      countCandidate(before?.resource, -1)
      countCandidate(resource, +1)
      for section in sections(of: before?.resource) { counts[section, default: 0] -= 1 }
      for section in sections(of: resource) { counts[section, default: 0] += 1 }
    }
    for (owner, entries) in owners {
      var shelf = Shelf()
      for (key, entry) in entries {
        if case .section = key, counts[key, default: 0] <= 0, candidates[key] == nil { continue }
        shelf[key] = entry
      }
      if !shelf.isEmpty { shelves[owner] = shelf }
    }
    for (key, count) in counts where count > 0 { references[key] = count }
  }

  package subscript(_ key: ResourceKey) -> Entry? { shelves[key.tenantID]?[key] }

  /// Of rollouts that are for some nodes only: for which.
  package var audiences: [Audience] { Array(audienceCounts.keys) }

  /// Whether a watcher gets a resource in data. What only candidates name goes where they go.
  package func carries(_ key: ResourceKey, in scope: WatchScope) -> Bool {
    guard scope.carries(key) else { return false }
    return isFor(scope, key)
  }

  /// Whether the rollouts that a resource belongs to are for this watcher; of other resources true.
  package func isFor(_ scope: WatchScope, _ key: ResourceKey) -> Bool {
    switch key {
    case .candidate:
      guard case .candidate(let candidate) = self[key]?.resource else { return true }
      return scope.isAmong(candidate.audience)
    case .section:
      guard references[key] == nil, let audiences = candidates[key]?.keys else { return true }
      return audiences.contains { scope.isAmong($0) }
    case .tenant, .channelAccount, .binding, .route: return true
    }
  }

  package var count: Int { shelves.values.reduce(0) { $0 + $1.count } }

  /// Owners with resources within the scope, platform first, in a fixed order for equal states.
  package func owners(in scope: WatchScope) -> [TenantID?] {
    let tenants = scope.tenants.map(Array.init) ?? shelves.keys.compactMap { $0 }
    return [nil] + tenants.filter { shelves[$0] != nil }.sorted().map { $0 }
  }

  /// The switches of the scope's tenants that were made after `revision`.
  package func switches(after revision: Revision, in scope: WatchScope) -> [TenantSwitch] {
    owners(in: scope).compactMap { owner in
      guard let owner, case .tenant(let tenant) = self[.tenant(owner)]?.resource,
        tenant.switchRevision > revision
      else { return nil }
      return TenantSwitch(tenant)
    }
  }

  /// Takes in the commit that follows.
  ///
  /// A resource put as it was is no change; a section that no binding names any more is removed.
  /// - Returns: every key whose resource changed, and the switches made.
  package mutating func fold(_ commit: Commit) -> (keys: [ResourceKey], switches: [TenantSwitch]) {
    revision = commit.revision
    var changed: [ResourceKey] = []
    var switches: [TenantSwitch] = []
    var suspects: Set<ResourceKey> = []
    // Of sections that go to other nodes than before although they are the same.
    var reaches: [ResourceKey: Set<Audience>] = [:]
    let touched =
      candidates.isEmpty
      ? []
      : commit.removed.map { self[$0]?.resource }
        + commit.resources.flatMap { [self[$0.key]?.resource, $0] }
    for resource in touched {
      for key in named(by: resource) where candidates[key] != nil && reaches[key] == nil {
        reaches[key] = reach(of: key)
      }
    }
    for key in commit.removed {
      suspects.formUnion(named(by: self[key]?.resource))
      if remove(key) { changed.append(key) }
    }
    for resource in commit.resources {
      let before = self[resource.key]?.resource
      guard put(resource, at: commit.revision) else { continue }
      changed.append(resource.key)
      suspects.formUnion(named(by: before))
      if case .section = resource { suspects.insert(resource.key) }
      if let made = TenantSwitch(from: before, to: resource) { switches.append(made) }
    }
    for key in suspects where isUnused(key) {
      if remove(key) { changed.append(key) }
    }
    for (key, before) in reaches where self[key] != nil && reach(of: key) != before {
      changed.append(key)
    }
    return (Array(Set(changed)), switches)
  }

  private mutating func put(_ resource: ConfigResource, at revision: Revision) -> Bool {
    let key = resource.key
    let before = self[key]?.resource
    if before == resource { return false }
    if case .binding(let old) = before, case .binding(let new) = resource,
      old.sectionDigests.count == new.sectionDigests.count
    {
      // Most forms of a binding name what the one before named, but for one section.
      for (had, has) in zip(old.sectionDigests, new.sectionDigests) where had != has {
        count(sections(had, of: new.tenantID), -1)
        count(sections(has, of: new.tenantID), +1)
      }
    } else {
      count(sections(of: before), -1)
      count(sections(of: resource), +1)
    }
    countCandidate(before, -1)
    countCandidate(resource, +1)
    shelves[key.tenantID, default: [:]][key] = Entry(resource: resource, changed: revision)
    return true
  }

  @discardableResult
  private mutating func remove(_ key: ResourceKey) -> Bool {
    guard let entry = shelves[key.tenantID]?.removeValue(forKey: key) else { return false }
    if shelves[key.tenantID]?.isEmpty == true { shelves[key.tenantID] = nil }
    count(sections(of: entry.resource), -1)
    countCandidate(entry.resource, -1)
    return true
  }

  private mutating func count(_ keys: [ResourceKey], _ change: Int) {
    for key in keys {
      let now = (references[key] ?? 0) + change
      references[key] = now > 0 ? now : nil
    }
  }

  /// Whether each section that a commit's bindings and candidates name is in the commit, or held.
  ///
  /// The store adds those that are in neither when it tells of the commit.
  package func holdsSections(of commit: Commit) -> Bool {
    let brought = Set(commit.resources.map(\.key))
    for resource in commit.resources {
      let named: [Digest]
      switch resource {
      case .binding(let binding): named = binding.sectionDigests
      case .candidate(let candidate): named = candidate.sectionDigests
      case .tenant, .channelAccount, .section, .route: continue
      }
      for digest in named {
        let own = ResourceKey.section(resource.key.tenantID, digest)
        let shared = ResourceKey.section(nil, digest)
        guard
          brought.contains(own) || brought.contains(shared) || self[own] != nil
            || self[shared] != nil
        else { return false }
      }
    }
    return true
  }

  private func sections(of resource: ConfigResource?) -> [ResourceKey] {
    guard case .binding(let binding) = resource else { return [] }
    return binding.sectionDigests.flatMap { sections($0, of: binding.tenantID) }
  }

  private func sections(_ digest: Digest, of tenant: TenantID) -> [ResourceKey] {
    [.section(tenant, digest), .section(nil, digest)]
  }

  private func isUnused(_ key: ResourceKey) -> Bool {
    if case .section = key { references[key] == nil && candidates[key] == nil } else { false }
  }

  // MARK: - Candidates

  /// The sections that a binding or a candidate names.
  private func named(by resource: ConfigResource?) -> [ResourceKey] {
    guard case .candidate(let candidate) = resource else { return sections(of: resource) }
    return candidate.sectionDigests.flatMap {
      [ResourceKey.section(candidate.tenantID, $0), .section(nil, $0)]
    }
  }

  /// The audiences that a section goes to; that of everyone when a binding names it.
  private func reach(of key: ResourceKey) -> Set<Audience> {
    if references[key] != nil { return [Audience()] }
    let audiences = Set(candidates[key]?.keys.map { $0 } ?? [])
    return audiences.contains(Audience()) ? [Audience()] : audiences
  }

  private mutating func countCandidate(_ resource: ConfigResource?, _ change: Int) {
    guard case .candidate(let candidate) = resource else { return }
    let audience = candidate.audience
    for key in named(by: resource) {
      var counts = candidates[key] ?? [:]
      let now = (counts[audience] ?? 0) + change
      counts[audience] = now > 0 ? now : nil
      candidates[key] = counts.isEmpty ? nil : counts
    }
    guard !audience.isEveryone else { return }
    let now = (audienceCounts[audience] ?? 0) + change
    audienceCounts[audience] = now > 0 ? now : nil
  }
}
