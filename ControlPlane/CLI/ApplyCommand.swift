internal import ArgumentParser
internal import Codecs
internal import Compiler
internal import Domain
internal import Foundation
internal import Wire
internal import WireServices

/// `bindery apply -f DIR`.
struct ApplyCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "apply",
    abstract: "Make the configuration what the files say: all of it, in one revision, or nothing.",
    discussion: """
      Reads every .yaml, .yml and .json file below DIR. A file may hold several documents:

        kind: Human
        tenant: sahayak
        slug: sahayak
        spec:
          display_name: Sahayak
          languages: [hi, en]

      Shows the plan first; in a terminal it asks before it goes on. Objects that no file names stay \
      as they are. With one error anywhere nothing is stored, and every error is listed.
      """
  )

  @OptionGroup var connection: ConnectionOptions

  @Option(
    name: [.customShort("f"), .customLong("filename")],
    help: "A folder of YAML files, or one file."
  )
  var path: String

  @Flag(name: .long, help: "Show the plan and stop.")
  var dryRun = false

  @Flag(name: [.customShort("y"), .long], help: "Do not ask.")
  var yes = false

  @Flag(name: .long, help: "Return when every live node serves it; print who and how fast.")
  var wait = false

  @Option(name: .long, help: "Why, for the history.")
  var reason: String = ""

  func run() async throws {
    let files = ConfigFiles.load(path)
    guard !files.diagnostics.contains(where: { $0.level == .error }) else {
      // The control plane isn't asked: without these documents it would miss what they hold.
      try fail(
        files.diagnostics + DocumentCheck.diagnostics(of: files.documents).map(files.located)
      )
    }
    guard !files.documents.isEmpty else {
      Terminal.error("no documents below \(path); expected *.yaml or *.yml.")
      throw ExitStatus.invalidConfiguration
    }
    let plan = try await send(files.documents, dryRun: true)
    let diagnostics = files.diagnostics + plan.diagnostics.map { files.located(Diagnostic($0)) }
    guard plan.ok else { try fail(diagnostics) }
    let changes = plan.changes.filter { $0.action != "unchanged" }
    if connection.output == .table {
      diagnostics.print()
      PlanView(response: plan).print()
    }
    guard !dryRun, !changes.isEmpty else {
      if connection.output == .json {
        try Terminal.printJSON(plan.json(diagnostics, applied: false))
      }
      return
    }
    if Terminal.isInteractive, !yes, connection.output == .table {
      Terminal.write("Apply? [y/N] ")
      guard let answer = readLine(), ["y", "yes"].contains(answer.lowercased()) else {
        Terminal.print("Nothing was changed.")
        return
      }
    }
    let applied = try await send(files.documents, dryRun: false)
    guard applied.ok else {
      try fail(applied.diagnostics.map { files.located(Diagnostic($0)) })
    }
    let (revision, timeout) = (applied.revision, connection.timeout)
    let progress =
      wait
      ? try await connection.withAdmin { try await $0.confirmation(of: revision, timeout: timeout) }
      : nil
    switch connection.output {
    case .json:
      try Terminal.printJSON(applied.json(diagnostics, applied: true, wait: progress?.json))
    case .table:
      let count = applied.changes.count { $0.action != "unchanged" }
      Terminal.print(
        "applied revision \(applied.revision): \(count) objects, \(applied.recompiledBindings.count) bindings compiled"
      )
      progress?.printTable()
    }
    try progress?.requireAll(connection.output)
  }

  private func send(
    _ documents: [AuthoredDocument],
    dryRun: Bool
  ) async throws -> Bindery_V1_ApplyResponse {
    var request = Bindery_V1_ApplyRequest()
    request.dryRun = dryRun
    request.author = NSUserName()
    request.reason = reason
    request.documents = try documents.map { document in
      var wire = Bindery_V1_Document()
      wire.kind = document.key.kind.rawValue
      wire.tenant = document.key.tenant
      wire.slug = document.key.slug
      wire.specJson = try CanonicalJSON.encode(document.spec)
      wire.source = document.source
      return wire
    }
    let message = request
    let options = connection.callOptions
    return try await connection.withAdmin { try await $0.apply(message, options: options) }
  }

  private func fail(_ diagnostics: [Diagnostic]) throws -> Never {
    switch connection.output {
    case .json:
      try Terminal.printJSON([
        "ok": false, "applied": false, "diagnostics": .array(diagnostics.map(\.json)),
      ])
    case .table:
      diagnostics.print()
      let errors = diagnostics.count { $0.level == .error }
      Terminal.error("\(errors) error\(errors == 1 ? "" : "s"); nothing was stored.")
    }
    throw ExitStatus.invalidConfiguration
  }
}
