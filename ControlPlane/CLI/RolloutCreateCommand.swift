internal import ArgumentParser
internal import Codecs
internal import Compiler
internal import Domain
internal import Foundation
internal import Wire
internal import WireMapping
internal import WireServices

/// `bindery rollout create -f DIR`.
struct RolloutCreateCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "create",
    abstract: "Store what the files say of humans, teams and agents, and begin to roll it out.",
    discussion: """
      Like apply, but only new versions of tiers of one tenant, which go out by the steps. A strategy \
      file holds steps, gates and node_timeout:

        steps:
          - {percent: 5, regions: [in-south], labels: {canary: "yes"}, hold: 10m}
          - {percent: 50, hold: ever}         # until somebody promotes it
          - {percent: 100, hold: 1h}          # the end: the tiers are the new ones for all
        gates:                                # the candidate against the baseline
          min_turns: 50                       # of both
          errors: 1%                          # at most so many percentage points more turns fail
          blocks: 1%                          # … or are blocked by guardrails
          latency: 20%                        # turns take at most so much longer
          cost: 20%                           # … and cost at most so much more
          timeout: 2h                         # wait so long past the hold for min_turns
          on_timeout: pause                   # then pause, or rollback
        node_timeout: 2m                      # a node that does not confirm a step takes it back
      """
  )

  @OptionGroup var connection: ConnectionOptions

  @Option(
    name: [.customShort("f"), .customLong("filename")],
    help: "A folder of YAML files, or one file."
  )
  var path: String

  @Option(
    name: .long,
    help: ArgumentHelp(
      "A step, repeatable: PERCENT [for TIME|ever] [in REGION,…] [where KEY=VALUE,…].",
      valueName: "step"
    )
  )
  var step: [String] = []

  @Option(name: .long, help: ArgumentHelp("A file with steps and gates.", valueName: "file"))
  var strategy: String?

  @Option(name: .long, help: "Name of the rollout; without it, made from the first tier's version.")
  var name: String = ""

  @Option(
    name: .long,
    help: ArgumentHelp(
      "Where the files come from, as in apply. Environment: BINDERY_SOURCE.",
      valueName: "label"
    )
  )
  var source: String?

  @Flag(name: .long, help: "Change objects of other sources too, and own them from then on.")
  var takeOver = false

  @Flag(name: .long, help: "Show the plan and stop.")
  var dryRun = false

  @Flag(name: [.customShort("y"), .long], help: "Do not ask.")
  var yes = false

  @Flag(name: .long, help: "Tell what happens until it has ended, as bindery rollout watch does.")
  var watch = false

  @Option(name: .long, help: "Why, for the history.")
  var reason: String = ""

  func validate() throws {
    guard step.isEmpty != (strategy == nil) else {
      throw ValidationError(
        "Write how it is to go out: --step \"10% for 10m\" --step 100%, or --strategy FILE."
      )
    }
  }

  func run() async throws {
    let plan = try readStrategy()
    let files = ConfigFiles.load(path)
    guard !files.diagnostics.contains(where: { $0.level == .error }) else {
      try Refusal.tell(files.diagnostics, connection.output)
    }
    guard !files.documents.isEmpty else {
      Terminal.error("no documents below \(path); expected *.yaml or *.yml.")
      throw ExitStatus.invalidConfiguration
    }
    var request = Bindery_V1_CreateRolloutRequest()
    request.documents = try files.documents.map { document in
      var wire = Bindery_V1_Document()
      wire.kind = document.key.kind.rawValue
      wire.tenant = document.key.tenant
      wire.slug = document.key.slug
      wire.specJson = try CanonicalJSON.encode(document.spec)
      wire.source = document.source
      return wire
    }
    request.strategy = plan.wire
    request.name = name
    request.reason = reason
    request.author = NSUserName()
    request.source = source ?? ProcessInfo.processInfo.environment["BINDERY_SOURCE"] ?? ""
    request.takeOver = takeOver
    request.dryRun = true
    let shown = try await send(request)
    try check(shown, files)
    if connection.output == .table {
      shown.diagnostics.map { files.located(Diagnostic($0)) }.print()
      tell(shown, plan)
    }
    if dryRun {
      if connection.output == .json { try Terminal.printJSON(shown.json) }
      return
    }
    if Terminal.isInteractive, !yes, connection.output == .table {
      Terminal.write("Begin? [y/N] ")
      guard let answer = readLine(), ["y", "yes"].contains(answer.lowercased()) else {
        Terminal.print("Nothing was changed.")
        return
      }
    }
    request.dryRun = false
    request.expected = shown.changes.map { change in
      var seen = Bindery_V1_ObjectVersion()
      seen.kind = change.kind
      seen.tenant = change.tenant
      seen.slug = change.slug
      seen.version = change.fromVersion
      return seen
    }
    let created = try await send(request)
    try check(created, files)
    guard connection.output == .table else { return try Terminal.printJSON(created.json) }
    let name = "\(created.rollout.tenant)/\(created.rollout.name)"
    Terminal.print("rollout \(name) has begun, revision \(created.rollout.revision)")
    guard watch else { return Terminal.print("bindery rollout watch \(name)") }
    var named = try NamedRollout.parse([name])
    named.connection = connection
    try await named.watch()
  }

  private func readStrategy() throws -> RolloutStrategy {
    do {
      let read: RolloutStrategy
      if let strategy {
        read = try RolloutFile.load(strategy)
      } else {
        read = RolloutStrategy(steps: try step.map { try RolloutFile.step($0) })
      }
      guard read.problems.isEmpty else {
        for problem in read.problems { Terminal.error(problem) }
        throw ExitStatus.invalidConfiguration
      }
      return read
    } catch let problem as RolloutFile.Problem {
      Terminal.error(problem.description)
      throw ExitStatus.invalidConfiguration
    }
  }

  private func send(
    _ request: Bindery_V1_CreateRolloutRequest
  ) async throws -> Bindery_V1_CreateRolloutResponse {
    let options = connection.callOptions
    return try await connection.withAdmin { try await $0.createRollout(request, options: options) }
  }

  private func check(_ answer: Bindery_V1_CreateRolloutResponse, _ files: ConfigFiles) throws {
    guard !answer.ok else { return }
    try Refusal.tell(
      answer.diagnostics.map { files.located(Diagnostic($0)) },
      connection.output
    )
  }

  private func tell(_ answer: Bindery_V1_CreateRolloutResponse, _ plan: RolloutStrategy) {
    for change in answer.changes where change.action == "update" {
      Terminal.print(
        "~ \(change.kind) \(change.tenant)/\(change.slug) (version \(change.fromVersion) -> \(change.toVersion))"
      )
      for field in change.fields {
        Terminal.print("    \(field.path)")
      }
    }
    let more = answer.bindings.count > 20 ? " and \(answer.bindings.count - 20) more" : ""
    Terminal.print(
      "Candidates for \(answer.bindings.count) bindings: \(answer.bindings.prefix(20).joined(separator: ", "))\(more)"
    )
    for line in RolloutView.steps(plan.wire, current: nil, heldMS: 0).lines { Terminal.print(line) }
  }
}

extension Bindery_V1_CreateRolloutResponse {
  var json: JSONValue {
    var members: [String: JSONValue] = [
      "ok": .bool(ok), "changes": .array(changes.map(\.json)),
      "bindings": .array(bindings.map { .string($0) }),
      "diagnostics": .array(diagnostics.map { Diagnostic($0).json }),
    ]
    if hasRollout { members["rollout"] = rollout.json }
    return .object(members)
  }
}
