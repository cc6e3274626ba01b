internal import ArgumentParser
internal import Domain
internal import Foundation
internal import Wire
internal import WireServices

/// `bindery tenant pause|resume|archive SLUG`.
struct TenantCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tenant",
    abstract: "Pause, resume or archive a tenant, on every node.",
    subcommands: [Pause.self, Resume.self, Archive.self]
  )

  struct Pause: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "No new turn and no send; what comes in is kept or refused, as the tenant says."
    )
    @OptionGroup var switching: SwitchOptions
    func run() async throws { try await switching.run(.paused, done: "paused") }
  }

  struct Resume: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Serve again; messages that were kept are answered."
    )
    @OptionGroup var switching: SwitchOptions
    func run() async throws { try await switching.run(.active, done: "active") }
  }

  struct Archive: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Its routes answer like unknown ones; nothing is deleted."
    )
    @OptionGroup var switching: SwitchOptions
    func run() async throws { try await switching.run(.archived, done: "archived") }
  }
}

struct SwitchOptions: ParsableArguments {
  @OptionGroup var connection: ConnectionOptions

  @Argument(help: "Slug of the tenant.")
  var tenant: String

  @Flag(name: .long, help: "Return when every live node has it in force; print who and how fast.")
  var wait = false

  @Option(name: .long, help: "Why, for the history.")
  var reason: String = ""

  func run(_ status: Bindery_V1_TenantStatus, done: String) async throws {
    var request = Bindery_V1_SetTenantStatusRequest()
    request.tenant = tenant
    request.status = status
    request.reason = reason
    request.author = NSUserName()
    let message = request
    let (wait, tenant, timeout) = (wait, tenant, connection.timeout)
    let options = connection.callOptions
    let (answer, progress) = try await connection.withAdmin { admin in
      let answer = try await admin.setTenantStatus(message, options: options)
      guard wait else { return (answer, Bindery_V1_WaitResponse?.none) }
      let seen = try await admin.confirmation(
        of: answer.revision,
        tenant: tenant,
        timeout: timeout
      )
      return (answer, seen)
    }
    switch connection.output {
    case .json:
      var members: [String: JSONValue] = [
        "tenant": .string(tenant), "status": .string(done),
        "revision": .int(answer.revision), "changed": .bool(answer.changed),
      ]
      if let progress { members["wait"] = progress.json }
      try Terminal.printJSON(.object(members))
    case .table:
      Terminal.print(
        "tenant \(tenant) is \(done)\(answer.changed ? "" : " already"), revision \(answer.revision)"
      )
      if let progress { progress.printTable() }
    }
    try progress?.requireAll(connection.output)
  }
}
