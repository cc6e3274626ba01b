internal import ArgumentParser
internal import Domain
internal import Foundation
internal import GRPCCore
internal import Synchronization
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
      var waiting = Bindery_V1_WaitRequest()
      waiting.revision = answer.revision
      waiting.tenant = tenant
      waiting.timeoutMs = Int64(timeout) * 1000
      let last = try await admin.wait(waiting) { response in
        var last: Bindery_V1_WaitResponse?
        for try await progress in response.messages { last = progress }
        return last
      }
      return (answer, last)
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
    if let progress, !progress.unconfirmed.isEmpty {
      if connection.output == .table {
        Terminal.error("unconfirmed: \(progress.unconfirmed.joined(separator: ", "))")
      }
      throw ExitStatus.unconfirmed
    }
  }
}

extension Bindery_V1_WaitResponse {
  var json: JSONValue {
    [
      "confirmed": .array(
        confirmed.map {
          [
            "node": .string($0.nodeID), "after_ms": .double(Double($0.afterUs) / 1000),
            "by_lease": .bool($0.byLease),
          ]
        }
      ),
      "unconfirmed": .array(unconfirmed.map { .string($0) }),
    ]
  }

  func printTable() {
    var table = Table([("NODE", .left), ("AFTER", .right), ("", .left)])
    for node in confirmed {
      table.add([
        node.nodeID, milliseconds(node.afterUs), node.byLease ? "its lease has run out" : "",
      ])
    }
    for line in table.lines { Terminal.print(line) }
  }

  private func milliseconds(_ microseconds: Int64) -> String {
    "\((Double(microseconds) / 1000).formatted(.number.precision(.fractionLength(1)))) ms"
  }
}
