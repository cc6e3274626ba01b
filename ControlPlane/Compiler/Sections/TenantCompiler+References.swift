internal import Domain

/// What a team and a binding name must be there.
extension TenantCompiler {
  func checkReferences(_ spec: TeamSpec, in tenant: TenantObjects, _ problems: Problems) {
    for (index, member) in spec.members.enumerated() where tenant.id(.human, member) == nil {
      problems.add(
        "BND_FOREIGN_TIER",
        at: "/members/\(index)",
        got: .string(member),
        "tenant \(tenant.slug) has no Human '\(member.prefix(63))'",
        hint: nearest(to: member, among: tenant.slugs(.human)).map { "did you mean '\($0)'?" }
          ?? "add the Human, or take it out"
      )
    }
    for (index, team) in spec.allowedHandoffs.enumerated() where tenant.id(.team, team) == nil {
      problems.add(
        "TEAM_HANDOFF_FOREIGN",
        at: "/allowed_handoffs/\(index)",
        got: .string(team),
        "tenant \(tenant.slug) has no Team '\(team.prefix(63))'",
        hint: nearest(to: team, among: tenant.slugs(.team)).map { "did you mean '\($0)'?" }
          ?? "name teams of the same tenant"
      )
    }
    for target in spec.escalation.teams where tenant.id(.team, target.name) == nil {
      problems.add(
        "ESC_UNKNOWN_TEAM",
        at: target.path,
        got: .string(target.name),
        "tenant \(tenant.slug) has no Team '\(target.name.prefix(63))'",
        hint: nearest(to: target.name, among: tenant.slugs(.team)).map { "did you mean '\($0)'?" }
          ?? "name a team of the same tenant, or a person's queue"
      )
    }
  }

  func checkReferences(_ spec: BindingSpec, in tenant: TenantObjects, _ problems: Problems) {
    let names = [(ObjectKind.human, spec.human), (.team, spec.team), (.agent, spec.agent)]
    for (kind, name) in names where !name.isEmpty && tenant.find(kind, name) == nil {
      let known = tenant.slugs(kind)
      problems.add(
        "BND_FOREIGN_TIER",
        at: "/\(kind.rawValue.lowercased())",
        got: .string(name),
        "tenant \(tenant.slug) has no \(kind.rawValue) '\(name.prefix(63))'",
        hint: nearest(to: name, among: known).map { "did you mean '\($0)'?" }
          ?? (known.isEmpty
            ? "write a \(kind.rawValue) document"
            : "known are \(known.prefix(20).joined(separator: ", "))")
      )
    }
  }

  /// What shows once a human, a team and an agent stand together.
  func clashes(
    _ human: CompiledTiers.Tier<HumanSpec>,
    _ team: CompiledTiers.Tier<TeamSpec>,
    _ agent: CompiledTiers.Tier<AgentSpec>
  ) -> [Diagnostic] {
    let rules = GuardrailChecks(human: human.guarded, team: team.guarded, agent: agent.guarded)
    var found = rules.diagnostics()
    for step in team.spec.procedures.flatMap(\.steps) {
      guard case .call(let tool, let path) = step.action, !tool.isEmpty,
        !agent.spec.toolNames.contains(tool)
      else { continue }
      let slug = agent.stored.key.slug
      found.append(
        GuardrailChecks.diagnostic(
          "SOP_UNKNOWN_TOOL",
          team.guarded.document,
          at: path,
          got: tool,
          "the agent '\(slug)' has no tool '\(tool.prefix(64))'",
          hint: nearest(to: tool, among: agent.spec.toolNames.sorted())
            .map { "did you mean '\($0)'?" } ?? "add it to the agent's tools"
        )
      )
    }
    for target in team.spec.escalation.guardrails where !rules.knows(target.name) {
      found.append(
        GuardrailChecks.diagnostic(
          "ESC_UNKNOWN_RULE",
          team.guarded.document,
          at: target.path,
          level: .warning,
          got: target.name,
          "no tier has the guardrail '\(target.name.prefix(40))', so this never comes",
          hint: "check the rule's id"
        )
      )
    }
    return found
  }
}
