package import Domain

/// Checks documents one by one, without the world that they would be planned against.
///
/// What needs other objects (references, routes, clashes between tiers) is the planner's business.
package enum DocumentCheck {
  /// Where tools may go is the daemon's setting: not checked here.
  package static func diagnostics(of documents: [AuthoredDocument]) -> [Diagnostic] {
    documents.sorted { $0.key < $1.key }.flatMap { document in
      var document = document
      document.spec = SpecForm.normal(document.spec)
      let problems = Problems(of: document)
      SpecForm.check(document.spec, problems)
      switch document.key.kind {
      case .tenant: _ = TenantSpec(document, problems: problems)
      case .human: _ = HumanSpec(document, problems: problems)
      case .team: _ = TeamSpec(document, problems: problems)
      case .agent: _ = AgentSpec(document, toolAllow: nil, problems: problems)
      case .binding: _ = BindingSpec(document, problems: problems)
      }
      return problems.list
    }
  }
}
