internal import Codecs
internal import Domain
internal import Foundation
internal import Wire

/// Tenants whose tiers are used by as many bindings as the benchmark's edits are to touch.
///
/// In each tenant a tenth of the humans is used by one binding, a tenth by ten, the rest by all
/// others; each team by the same number; so is each agent, but for the first tenant's first, which
/// half of its bindings use. Strides keep triples of tiers from being the same.
struct PublishWorld {
  let tenants: Int
  /// Of each kind, in each tenant.
  let tiers: Int
  /// In each tenant.
  let bindings: Int

  /// Bindings of the first tenant that use its first agent.
  var wide: Int { bindings / 2 }

  static func slug(_ tenant: Int) -> String { "bench-\(tenant)" }

  /// The tiers of a binding, by number.
  private func tiers(of binding: Int, in tenant: Int) -> (human: Int, team: Int, agent: Int) {
    let (ones, tens) = (tiers / 10, tiers / 10)
    let human =
      if binding < ones {
        binding
      } else if binding < ones + 10 * tens {
        ones + (binding - ones) / 10
      } else {
        ones + tens + (binding - ones - 10 * tens) % (tiers - ones - tens)
      }
    let round = binding / tiers
    let team = (binding + round * 7) % tiers
    let agent =
      tenant == 0 && binding % 2 == 0
      ? 0
      : (tenant == 0
        ? 1 + (binding / 2 + round * 13) % (tiers - 1) : (binding + round * 13) % tiers)
    return (human, team, agent)
  }

  /// A human that one binding uses, or ten.
  func human(_ tenant: Int, usedBy count: Int, _ number: Int, edit: Int) -> Bindery_V1_Document {
    let ones = tiers / 10
    return human(tenant, count == 1 ? number % ones : ones + number % ones, edit: edit)
  }

  /// Everything, in batches that can be applied one after another.
  func batches(of tenant: Int) -> [[Bindery_V1_Document]] {
    var members: [Set<Int>] = Array(repeating: [], count: tiers)
    for binding in 0 ..< bindings {
      let used = tiers(of: binding, in: tenant)
      members[used.team].insert(used.human)
    }
    var batches: [[Bindery_V1_Document]] = [
      [document("Tenant", tenant, Self.slug(tenant), ["display_name": "Bench"])]
        + (0 ..< tiers).map { human(tenant, $0) }
    ]
    batches.append((0 ..< tiers).map { agent(tenant, $0) })
    batches.append((0 ..< tiers).map { team(tenant, $0, members: members[$0]) })
    for start in stride(from: 0, to: bindings, by: 1_000) {
      batches.append((start ..< min(start + 1_000, bindings)).map { binding(tenant, $0) })
    }
    return batches
  }

  /// Humans of a team, for one that is edited.
  func members(_ tenant: Int, _ team: Int) -> Set<Int> {
    var members: Set<Int> = []
    for binding in 0 ..< bindings {
      let used = tiers(of: binding, in: tenant)
      if used.team == team { members.insert(used.human) }
    }
    return members
  }

  private func document(
    _ kind: String,
    _ tenant: Int,
    _ slug: String,
    _ spec: JSONValue
  ) -> Bindery_V1_Document {
    var document = Bindery_V1_Document()
    document.kind = kind
    document.tenant = Self.slug(tenant)
    document.slug = slug
    document.specJson = spec.canonicalText
    document.source = "bench"
    return document
  }

  private func binding(_ tenant: Int, _ number: Int) -> Bindery_V1_Document {
    let used = tiers(of: number, in: tenant)
    return document(
      "Binding",
      tenant,
      "binding-\(number)",
      [
        "human": .string("human-\(used.human)"), "team": .string("team-\(used.team)"),
        "agent": .string("agent-\(used.agent)"),
        "routes": ["web": [.string("b\(number).t\(tenant).example")]],
      ]
    )
  }

  func human(_ tenant: Int, _ number: Int, edit: Int = 0) -> Bindery_V1_Document {
    document("Human", tenant, "human-\(number)", BenchTiers.human(number, edit: edit))
  }

  func team(
    _ tenant: Int,
    _ number: Int,
    members: Set<Int>,
    edit: Int = 0
  ) -> Bindery_V1_Document {
    let names = members.sorted().map { JSONValue.string("human-\($0)") }
    return document(
      "Team",
      tenant,
      "team-\(number)",
      BenchTiers.team(number, members: names, edit: edit)
    )
  }

  func agent(_ tenant: Int, _ number: Int, edit: Int = 0) -> Bindery_V1_Document {
    document("Agent", tenant, "agent-\(number)", BenchTiers.agent(number, edit: edit))
  }
}
