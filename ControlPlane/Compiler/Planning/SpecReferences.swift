package import Domain

/// What specs name, without reading them for faults: what a plan over them depends on.
package enum SpecReferences {
  /// The human, team and agent of a binding.
  package static func tiers(of spec: JSONValue, in tenant: String) -> [ObjectKey] {
    [(ObjectKind.human, "human"), (.team, "team"), (.agent, "agent")].compactMap { kind, key in
      guard let slug = spec[key]?.stringValue, isSlug(slug) else { return nil }
      return ObjectKey(kind: kind, tenant: tenant, slug: slug)
    }
  }

  /// Whatever in a team's spec may be the slug of a human or another team: at least its members,
  /// hand-offs and escalations.
  package static func names(of team: JSONValue) -> Set<String> {
    var found: Set<String> = []
    collect(team, &found)
    return found
  }

  /// The teams whose ids stand in a team's section.
  package static func handoffs(of team: JSONValue) -> Set<String> {
    var found: Set<String> = []
    if let handoffs = team["allowed_handoffs"] { collect(handoffs, &found) }
    return found
  }

  private static func collect(_ value: JSONValue, _ found: inout Set<String>) {
    switch value {
    case .string(let text): if isSlug(text) { found.insert(text) }
    case .array(let elements): for element in elements { collect(element, &found) }
    case .object(let members): for member in members.values { collect(member, &found) }
    case .null, .bool, .int, .double: break
    }
  }
}

extension Planner {
  /// Names that stand once over all tenants.
  package struct Claims: Sendable {
    package var routes: Set<String> = []
    package var accounts: Set<String> = []
  }

  /// The routes ("channel/key") and webhook slugs that documents claim.
  package static func claims(of documents: [AuthoredDocument]) -> Claims {
    var claims = Claims()
    for document in documents {
      let problems = Problems(of: document)
      switch document.key.kind {
      case .binding:
        for route in BindingSpec(document, problems: problems).routes {
          claims.routes.insert("\(route.channel)/\(route.key)")
        }
      case .tenant:
        claims.accounts.formUnion(TenantSpec(document, problems: problems).accounts.map(\.slug))
      case .human, .team, .agent: break
      }
    }
    return claims
  }

  /// Whether a document says something else than what is stored.
  package static func changes(_ stored: StoredObject, to document: AuthoredDocument) -> Bool {
    stored.spec != SpecForm.normal(document.spec)
  }

  /// Whether a diagnostic offers names that are there, of which the world must hold all then.
  package static func offersNames(_ diagnostic: Diagnostic) -> Bool {
    ["BND_FOREIGN_TIER", "TEAM_HANDOFF_FOREIGN", "ESC_UNKNOWN_TEAM"].contains(diagnostic.code)
  }
}
