internal import ArgumentParser
internal import Domain
internal import Foundation
internal import Wire
internal import WireServices

/// `bindery rollback KIND TENANT/SLUG --to N`.
struct RollbackCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "rollback",
    abstract: "Make a new version with the content of an old one, and push it.",
    discussion: """
      Nothing of the history is lost. When the old content no longer composes with what is there now, \
      nothing is stored and every error is listed. An object that was deleted comes back.

        bindery history team medicly/front-desk
        bindery rollback team medicly/front-desk --to 3 --reason "wrong opening hours" --wait

      The object stays with the source that owns it: change it there too, or the next apply from there \
      brings back what was rolled back.
      """
  )

  @OptionGroup var connection: ConnectionOptions
  @OptionGroup var object: NamedObject

  @Option(name: .customLong("to"), help: "Version whose content comes back.")
  var version: Int32

  @Flag(name: .long, help: "Show the plan and stop.")
  var dryRun = false

  @Flag(name: [.customShort("y"), .long], help: "Do not ask.")
  var yes = false

  @Flag(name: .long, help: "It is meant that the tenant loses more than half of its addresses.")
  var confirmEmptying = false

  @Flag(name: .long, help: "Return when every live node serves it; print who and how fast.")
  var wait = false

  @Option(name: .long, help: "Why, for the history.")
  var reason: String = ""

  func validate() throws {
    guard version >= 1 else { throw ValidationError("--to must be a version, from 1.") }
  }

  func run() async throws {
    let name = try object.parsed()
    var request = Bindery_V1_RollbackRequest()
    request.kind = object.kind.kind.rawValue
    request.tenant = name.tenant
    request.slug = name.slug
    request.toVersion = version
    request.reason = reason
    request.author = NSUserName()
    request.confirmEmptying = confirmEmptying
    request.dryRun = true
    let shown = try await send(request)
    let diagnostics = shown.diagnostics.map { Diagnostic($0) }
    guard shown.ok else { try Refusal.tell(diagnostics, connection.output) }
    if connection.output == .table {
      diagnostics.print()
      PlanView(response: shown).print()
    }
    guard !dryRun, !shown.isEmpty else {
      if connection.output == .json {
        try Terminal.printJSON(shown.json(diagnostics, applied: false))
      }
      return
    }
    if Terminal.isInteractive, !yes, connection.output == .table {
      Terminal.write("Roll back? [y/N] ")
      guard let answer = readLine(), ["y", "yes"].contains(answer.lowercased()) else {
        Terminal.print("Nothing was changed.")
        return
      }
    }
    request.dryRun = false
    // The new version follows the newest one, also where that says that the object was deleted.
    request.expectedVersion = shown.changes.first.map { $0.toVersion - 1 } ?? 0
    let applied = try await send(request)
    guard applied.ok else {
      try Refusal.tell(applied.diagnostics.map { Diagnostic($0) }, connection.output)
    }
    if let owner = applied.changes.first?.toSource, !owner.isEmpty, connection.output == .table {
      Terminal.note("it is owned by source '\(owner)': change it there too")
    }
    try await connection.tell(applied, diagnostics, wait: wait)
  }

  private func send(
    _ request: Bindery_V1_RollbackRequest
  ) async throws
    -> Bindery_V1_ApplyResponse
  {
    let options = connection.callOptions
    return try await connection.withAdmin { try await $0.rollback(request, options: options) }
  }
}
