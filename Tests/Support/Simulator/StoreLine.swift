import Domain
import Foundation

/// What the database holds: one revision line with all that ever stood on it. The judge of what nodes
/// should hold; it shares no code with what folds and ships.
struct StoreLine {
  typealias Whole = [ResourceKey: ConfigResource]

  let incarnation: UUID
  /// By revision, from `first`; sections included.
  private(set) var wholes: [Whole]
  private(set) var commits: [Commit]
  /// True time of each commit, in µs.
  private(set) var madeAt: [Int64]
  let first: Int64
  private var objects: Whole
  private var sections: Whole

  init(incarnation: UUID) {
    self.incarnation = incarnation
    first = 0
    wholes = [[:]]
    commits = []
    madeAt = [0]
    objects = [:]
    sections = [:]
  }

  /// A database put back to an older revision: another one, whose line goes on from there.
  init(restoring old: StoreLine, to revision: Revision, as incarnation: UUID, at now: Int64) {
    self.incarnation = incarnation
    first = revision.value
    let whole = old.whole(at: revision)
    wholes = [whole]
    commits = []
    madeAt = [now]
    sections = old.sections
    objects = whole.filter { if case .section = $0.key { false } else { true } }
  }

  var revision: Revision { Revision(first + Int64(wholes.count) - 1) }

  func holds(_ revision: Revision) -> Bool {
    revision.value >= first && revision <= self.revision
  }

  func whole(at revision: Revision) -> Whole { wholes[Int(revision.value - first)] }

  func time(of revision: Revision) -> Int64 { madeAt[Int(revision.value - first)] }

  var newest: Whole { wholes[wholes.count - 1] }

  /// Everything as of a revision.
  func snapshot(at revision: Revision) -> Commit {
    Commit(
      revision: revision,
      committedAt: Date(timeIntervalSince1970: 0),
      resources: Array(whole(at: revision).values),
      removed: []
    )
  }

  /// The commits after a revision; nil when this line does not have them.
  func commits(after revision: Revision, limit: Int) -> [Commit] {
    Array(commits.drop { $0.revision <= revision }.prefix(limit))
  }

  /// What a commit put or removed, sections of its bindings included.
  func touched(after from: Revision, through to: Revision) -> Set<ResourceKey> {
    var keys: Set<ResourceKey> = []
    for number in from.value ..< to.value {
      let before = whole(at: Revision(number))
      let after = whole(at: Revision(number + 1))
      for (key, resource) in after where before[key] != resource { keys.insert(key) }
      for key in before.keys where after[key] == nil { keys.insert(key) }
      // A section goes to nodes that lacked it, although it is the same.
      let (old, new) = (reach(before), reach(after))
      for (key, audiences) in new where old[key] != audiences { keys.insert(key) }
    }
    return keys
  }

  mutating func commit(
    put: [ConfigResource],
    sections made: [SectionResource] = [],
    removed: [ResourceKey] = [],
    at now: Int64
  ) {
    for section in made {
      sections[.section(section.tenantID, section.digest)] = .section(section)
    }
    for key in removed { objects[key] = nil }
    for resource in put { objects[resource.key] = resource }
    var told: [ConfigResource] = []
    for resource in put { told += named(by: resource) }
    told += put
    var whole = objects
    for resource in objects.values {
      for section in named(by: resource) { whole[section.key] = section }
    }
    wholes.append(whole)
    madeAt.append(now)
    commits.append(
      Commit(
        revision: revision,
        committedAt: Date(timeIntervalSince1970: 0),
        resources: told,
        removed: removed
      )
    )
  }

  func named(by resource: ConfigResource) -> [ConfigResource] {
    let (digests, tenant): ([Digest], TenantID?) =
      switch resource {
      case .binding(let it): (it.sectionDigests, it.tenantID)
      case .candidate(let it): (it.sectionDigests, it.tenantID)
      case .tenant, .channelAccount, .section, .route: ([], nil)
      }
    return digests.compactMap { sections[.section(tenant, $0)] ?? sections[.section(nil, $0)] }
  }

  /// Which nodes each section goes to: everyone, when a binding names it, or the audiences of candidates.
  private func reach(_ whole: Whole) -> [ResourceKey: Set<Audience>] {
    var reach: [ResourceKey: Set<Audience>] = [:]
    for resource in whole.values {
      let audience: Audience
      switch resource {
      case .binding: audience = Audience()
      case .candidate(let it): audience = it.audience
      case .tenant, .channelAccount, .section, .route: continue
      }
      for section in named(by: resource) { reach[section.key, default: []].insert(audience) }
    }
    return reach.mapValues { $0.contains(Audience()) ? [Audience()] : $0 }
  }
}
