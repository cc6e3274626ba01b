package import Compiler
package import Domain
internal import Foundation
internal import Store

/// New versions of tiers that go out by a rollout.
package struct RolloutOutcome: Sendable {
  package var plan: Plan
  /// Bindings that get a candidate, by name.
  package var bindings: [ObjectKey]
  /// Nil in a dry run, and when something is wrong.
  package var name: String?
}

/// Why a set of documents can't go out by a rollout.
package enum RolloutRefusal: Error, Hashable, Sendable, CustomStringConvertible {
  case strategy([String])
  case name(String)
  case tenants([String])
  case kind(ObjectKey)
  case new(ObjectKey)
  case nothingChanges
  case unused

  package var code: String {
    switch self {
    case .strategy: "ROLLOUT_STRATEGY"
    case .name: "ROLLOUT_NAME"
    case .tenants: "ROLLOUT_TENANTS"
    case .kind: "ROLLOUT_TIERS_ONLY"
    case .new: "ROLLOUT_NEW_TIER"
    case .nothingChanges: "ROLLOUT_NO_CHANGE"
    case .unused: "ROLLOUT_UNUSED"
    }
  }

  package var description: String {
    let text =
      switch self {
      case .strategy(let problems): problems.joined(separator: "; ")
      case .name(let name):
        "'\(name.prefix(80))' is no name; use a-z, 0-9 and '-', at most 63"
      case .tenants(let slugs):
        "the documents are of \(slugs.count) tenants (\(slugs.prefix(3).joined(separator: ", "))); a rollout is of one: make one for each"
      case .kind(let key):
        "\(key) changes, and is no Human, Team or Agent; apply it first, or afterwards"
      case .new(let key):
        "\(key) is new, so nobody has an older form of it; apply it first"
      case .nothingChanges: "the documents say what is stored already"
      case .unused: "no binding uses what changes; apply it, nobody is affected"
      }
    return "\(code): \(text)"
  }
}

extension Publisher {
  /// Plans `documents` and begins a rollout of what they change, unless it is a dry run or invalid.
  ///
  /// - Parameter name: empty: made from the first tier and its new version.
  /// - Throws: `RolloutRefusal`; `StoreError.underRollout`, `.rolloutStands`; otherwise as `apply`.
  package func createRollout(
    _ documents: [AuthoredDocument],
    strategy: RolloutStrategy,
    name: String,
    options: ApplyOptions,
    expected: [ObjectKey: Int32] = [:],
    dryRun: Bool
  ) async throws -> RolloutOutcome {
    let problems = strategy.problems
    guard problems.isEmpty else { throw RolloutRefusal.strategy(problems) }
    if !name.isEmpty, !isSlug(name) { throw RolloutRefusal.name(name) }
    let tenants = Set(documents.map(\.key.tenant)).sorted()
    guard tenants.count == 1, let tenant = tenants.first else {
      throw RolloutRefusal.tenants(tenants)
    }
    let roots = WorldLoader.Roots(
      documents: documents,
      expected: Set(expected.keys),
      author: options.author,
      reason: options.reason
    )
    let id = RolloutID(UUID())
    var found: (bindings: [ObjectKey], name: String)?
    let outcome = try await publish(from: roots, dryRun: dryRun) { world, memo in
      try Self.check(expected, in: world)
      var plan = planner.plan(
        documents: documents,
        world: world,
        options: options,
        now: Date(),
        mintID: { UUID() },
        memo: memo
      )
      found = nil
      if plan.diagnostics.contains(where: { $0.level == .error }) { return plan }
      for change in plan.changes where [.create, .update, .delete].contains(change.action) {
        guard [.human, .team, .agent].contains(change.key.kind) else {
          throw RolloutRefusal.kind(change.key)
        }
        guard change.action == .update else { throw RolloutRefusal.new(change.key) }
      }
      guard var publication = plan.publication, !publication.objects.isEmpty else {
        throw RolloutRefusal.nothingChanges
      }
      let draft = RolloutDraft(
        id: id,
        tenant: tenant,
        name: name.isEmpty ? Self.rolloutName(publication.objects) : name,
        strategy: strategy,
        baseline: publication.objects.compactMap { world.objects[$0.key] }
      )
      let candidates = Self.turnIntoCandidates(&publication, draft)
      guard !candidates.isEmpty else { throw RolloutRefusal.unused }
      plan.publication = publication
      found = (
        world.objects.filter {
          $0.key.kind == .binding && candidates.contains(BindingID($0.value.id))
        }
        .keys.sorted(),
        draft.name
      )
      return plan
    }
    if dryRun, let publication = outcome.plan.publication {
      let ids = publication.resources.compactMap { resource -> BindingID? in
        if case .candidate(let candidate) = resource { candidate.bindingID } else { nil }
      }
      try await refuseUnderRollout(ids)
    }
    return RolloutOutcome(
      plan: outcome.plan,
      bindings: found?.bindings ?? [],
      name: outcome.stored ? found?.name : nil
    )
  }

  /// - Throws: `StoreError.underRollout`.
  func refuseUnderRollout(
    _ bindings: [BindingID],
    in publication: Publication? = nil
  ) async throws {
    if let (rollout, binding) = try await store.rolloutInTheWay(of: bindings, in: publication) {
      throw StoreError.underRollout(rollout: rollout, binding: binding)
    }
  }

  /// What would give bindings another form gives them a candidate.
  private static func turnIntoCandidates(
    _ publication: inout Publication,
    _ draft: RolloutDraft
  ) -> Set<BindingID> {
    var bindings: Set<BindingID> = []
    publication.rollout = draft
    publication.resources = publication.resources.map { resource in
      guard case .binding(let binding) = resource else { return resource }
      bindings.insert(binding.bindingID)
      return .candidate(
        CandidateResource(
          tenantID: binding.tenantID,
          bindingID: binding.bindingID,
          rolloutID: draft.id,
          digest: binding.digest,
          content: binding.content,
          sectionDigests: binding.sectionDigests,
          basisPoints: draft.strategy.steps[0].basisPoints,
          audience: draft.strategy.steps[0].audience
        )
      )
    }
    return bindings
  }

  private static func rolloutName(_ objects: [StoredObject]) -> String {
    guard let first = objects.min(by: { $0.key < $1.key }) else { return "rollout" }
    let end = "-v\(first.version)"
    return first.key.slug.prefix(63 - end.count) + end
  }
}
