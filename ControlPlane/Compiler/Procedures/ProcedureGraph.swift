internal import Domain

/// Checks that a SOP's steps hang together: every way leads somewhere, and in the end out.
struct ProcedureGraph {
  private let procedure: Procedure
  private let escalations: Set<String>
  private let indexes: [String: Int]

  init(_ procedure: Procedure, escalations: Set<String>) {
    self.procedure = procedure
    self.escalations = escalations
    indexes = Dictionary(
      procedure.steps.enumerated().map { ($1.id, $0) },
      uniquingKeysWith: { first, _ in first }
    )
  }

  /// What follows a step.
  private struct Ways {
    var steps: [Int] = []
    /// The procedure is over, or goes on outside.
    var isExit = false
    /// The way leads below the last step.
    var fallsOff = false
  }

  func check(_ problems: Problems) {
    guard !procedure.steps.isEmpty else { return }
    checkIDs(problems)
    checkTargets(problems)
    let ways = procedure.steps.indices.map(self.ways)
    let reached = closure(of: [0]) { ways[$0].steps }
    for (index, step) in procedure.steps.enumerated() where !reached.contains(index) {
      problems.add(
        "SOP_UNREACHABLE",
        at: step.path,
        level: .warning,
        "no way leads to the step '\(step.id.prefix(40))'",
        hint: "go to it from another step, or take it out"
      )
    }
    for index in reached.sorted() where ways[index].fallsOff {
      problems.add(
        "SOP_NO_EXIT",
        at: procedure.steps[index].path,
        "nothing follows the step '\(procedure.steps[index].id.prefix(40))'",
        hint: "add end: true, a goto, or an escalate"
      )
    }
    // Backwards from all that ends; who isn't met goes round in circles.
    var before: [Int: [Int]] = [:]
    for (index, way) in ways.enumerated() {
      for next in way.steps { before[next, default: []].append(index) }
    }
    let ends = ways.indices.filter { ways[$0].isExit || ways[$0].fallsOff }
    let ending = closure(of: ends) { before[$0] ?? [] }
    if let trapped = reached.subtracting(ending).min() {
      problems.add(
        "SOP_NO_EXIT",
        at: procedure.steps[trapped].path,
        "from the step '\(procedure.steps[trapped].id.prefix(40))' there is no way out",
        hint: "lead one of the steps to an end: true or an escalate"
      )
    }
  }

  private func checkIDs(_ problems: Problems) {
    for (index, step) in procedure.steps.enumerated()
    where !step.id.isEmpty && indexes[step.id] != index {
      problems.add(
        "CFG_DUPLICATE",
        at: "\(step.path)/id",
        "two steps have the id '\(step.id.prefix(40))'",
        hint: "give each its own"
      )
    }
  }

  private func checkTargets(_ problems: Problems) {
    func check(_ target: Procedure.Target?) {
      guard let target, indexes[target.name] == nil else { return }
      problems.add(
        "SOP_DANGLING_GOTO",
        at: target.path,
        "there is no step '\(target.name.prefix(40))'",
        hint: nearest(to: target.name, among: indexes.keys.sorted()).map { "did you mean '\($0)'?" }
          ?? "the steps are \(procedure.steps.map(\.id).joined(separator: ", "))"
      )
    }
    for step in procedure.steps {
      check(step.next)
      check(step.onError)
      switch step.action {
      case .branch(let targets, _): for target in targets { check(target) }
      case .escalate(let target) where !escalations.contains(target.name):
        problems.add(
          "SOP_DANGLING_GOTO",
          at: target.path,
          "the team's escalation has no '\(target.name.prefix(40))'",
          hint: escalations.isEmpty
            ? "write escalation: {default: {to: …}}"
            : "known are \(escalations.sorted().joined(separator: ", "))"
        )
      default: break
      }
    }
  }

  private func ways(from index: Int) -> Ways {
    let step = procedure.steps[index]
    var ways = Ways()
    func add(_ target: Procedure.Target) {
      // A step that is missing was told; what would follow it is not known.
      if let next = indexes[target.name] { ways.steps.append(next) } else { ways.isExit = true }
    }
    func goOn() {
      if step.ends {
        ways.isExit = true
      } else if let next = step.next {
        add(next)
      } else if procedure.steps.indices.contains(index + 1) {
        ways.steps.append(index + 1)
      } else {
        ways.fallsOff = true
      }
    }
    if let target = step.onError { add(target) }
    switch step.action {
    case .escalate: ways.isExit = true
    case .branch(let targets, let hasElse):
      for target in targets { add(target) }
      if !hasElse { goOn() }
    case .ask, .call, .say: goOn()
    case .unknown:
      ways.isExit = true
      goOn()
    }
    return ways
  }

  private func closure(of start: [Int], _ next: (Int) -> [Int]) -> Set<Int> {
    var seen = Set(start)
    var open = start
    while let index = open.popLast() {
      for other in next(index) where seen.insert(other).inserted { open.append(other) }
    }
    return seen
  }
}
