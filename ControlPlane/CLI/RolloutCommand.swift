internal import ArgumentParser
internal import Domain
internal import Foundation
internal import Wire
internal import WireServices

/// `bindery rollout create|list|status|watch|pause|resume|promote|abort`.
struct RolloutCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "rollout",
    abstract: "Give new versions of tiers to a part of the people first, step by step.",
    discussion: """
      Some people get the candidate, all others the baseline; whoever has it keeps it as the part grows. \
      A node that refuses it, or a gate that fails, takes it back from everybody by itself. While a \
      rollout lasts its bindings can't be changed otherwise; tenants are paused and resumed as ever.

        bindery rollout create -f config/ --step "5% for 10m in in-south" --step "50% for 1h" --step 100%
        bindery rollout create -f config/ --strategy canary.yaml
        bindery rollout watch medicly/dr-meera-v7
        bindery rollout promote medicly/dr-meera-v7          the next step now
        bindery rollout abort medicly/dr-meera-v7 --reason "complaints"
      """,
    subcommands: [
      RolloutCreateCommand.self, List.self, Status.self, Watch.self, Pause.self, Resume.self,
      Promote.self, Abort.self,
    ]
  )

  struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Show rollouts, newest first.")
    @OptionGroup var connection: ConnectionOptions

    @Option(name: .long, help: "Only of this tenant.")
    var tenant: String = ""

    @Flag(name: .long, help: "Only those that have not ended.")
    var active = false

    @Option(name: .long, help: "At most this many.")
    var limit: Int32 = 100

    func validate() throws {
      guard (1 ... 1000).contains(limit) else {
        throw ValidationError("--limit must be 1 to 1000.")
      }
    }

    func run() async throws {
      var request = Bindery_V1_ListRolloutsRequest()
      request.tenant = tenant
      request.activeOnly = active
      request.pageSize = limit
      let (message, options) = (request, connection.callOptions)
      let answer = try await connection.withAdmin {
        try await $0.listRollouts(message, options: options)
      }
      switch connection.output {
      case .json:
        try Terminal.printJSON(["rollouts": .array(answer.rollouts.map(\.json))])
      case .table:
        var table = Table([
          ("ROLLOUT", .left), ("STATE", .left), ("STEP", .right), ("PEOPLE", .right),
          ("BINDINGS", .right), ("BEGUN", .left), ("AUTHOR", .left), ("WHY", .left),
        ])
        for rollout in answer.rollouts { table.add(RolloutView(rollout).row) }
        for line in table.lines { Terminal.print(line) }
      }
    }
  }

  struct Status: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Show how a rollout stands; status 4 when it was taken back."
    )
    @OptionGroup var rollout: NamedRollout

    func run() async throws {
      let found = try await rollout.get()
      try rollout.show(found)
      if found.isTakenBack { throw ExitStatus.takenBack }
    }
  }

  struct Watch: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Tell what happens until the rollout has ended; status 4 when it was taken back."
    )
    @OptionGroup var rollout: NamedRollout

    func run() async throws { try await rollout.watch() }
  }

  struct Pause: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Let it stand as it is: no next step, no look at the gates."
    )
    @OptionGroup var control: RolloutControl
    func run() async throws { try await control.run(.pause) }
  }

  struct Resume: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Go on where it was paused.")
    @OptionGroup var control: RolloutControl
    func run() async throws { try await control.run(.resume) }
  }

  struct Promote: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract:
        "Take the next step now, whatever its hold and gates say; after the last, everybody."
    )
    @OptionGroup var control: RolloutControl

    @Flag(name: .long, help: "Skip all steps: everybody gets it now.")
    var full = false

    func run() async throws { try await control.run(full ? .promoteFully : .promote) }
  }

  struct Abort: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Take it back from everybody; the tiers say again what they said before."
    )
    @OptionGroup var control: RolloutControl
    func run() async throws { try await control.run(.abort) }
  }
}

/// TENANT/NAME of a rollout.
struct NamedRollout: ParsableArguments {
  @OptionGroup var connection: ConnectionOptions

  @Argument(help: "TENANT/NAME of the rollout; bindery rollout list shows them.")
  var name: String

  func validate() throws { _ = try parts() }

  func parts() throws -> (tenant: String, name: String) {
    let parts = name.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
    guard parts.count == 2, !parts[0].isEmpty, !parts[1].isEmpty else {
      throw ValidationError(
        "'\(name)' is no rollout; write TENANT/NAME, as bindery rollout list does."
      )
    }
    return (parts[0], parts[1])
  }

  func get() async throws -> Bindery_V1_Rollout {
    let options = connection.callOptions
    let request = try request()
    return try await connection.withAdmin { try await $0.getRollout(request, options: options) }
  }

  private func request() throws -> Bindery_V1_GetRolloutRequest {
    let (tenant, name) = try parts()
    var request = Bindery_V1_GetRolloutRequest()
    request.tenant = tenant
    request.name = name
    return request
  }

  func show(_ rollout: Bindery_V1_Rollout) throws {
    switch connection.output {
    case .json: try Terminal.printJSON(rollout.json)
    case .table: RolloutView(rollout).print()
    }
  }

  /// A line for each change, and the whole at the end.
  func watch() async throws {
    let request = try request()
    let options = connection.callOptions
    let output = connection.output
    let last = try await connection.withAdmin { admin in
      var told = ""
      while true {
        let now = try await admin.getRollout(request, options: options)
        let line = RolloutView(now).headline
        if line != told, output == .table { Terminal.print(line) }
        told = line
        if now.endedAtMs > 0 { return now }
        try await Task.sleep(for: .milliseconds(500))
      }
    }
    if output == .table { Terminal.print("") }
    try show(last)
    if last.isTakenBack { throw ExitStatus.takenBack }
  }
}

/// A change of a rollout.
struct RolloutControl: ParsableArguments {
  @OptionGroup var rollout: NamedRollout

  @Option(name: .long, help: "Why, for the audit log.")
  var reason: String = ""

  func run(_ action: Bindery_V1_RolloutAction) async throws {
    let (tenant, name) = try rollout.parts()
    var request = Bindery_V1_ControlRolloutRequest()
    request.tenant = tenant
    request.name = name
    request.action = action
    request.reason = reason
    request.author = NSUserName()
    let (message, options) = (request, rollout.connection.callOptions)
    let now = try await rollout.connection.withAdmin {
      try await $0.controlRollout(message, options: options)
    }
    try rollout.show(now)
  }
}

extension Bindery_V1_Rollout {
  var isTakenBack: Bool { state == "rolled_back" || state == "aborted" }
}
