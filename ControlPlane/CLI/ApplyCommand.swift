internal import ArgumentParser
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
      as they are, unless --prune is given. With one error anywhere nothing is stored, and every error \
      is listed.

      It stores what the plan has shown: when somebody has changed one of the objects since, nothing is \
      stored, both versions are named, and the status is 75. With --plan that holds from when the plan \
      was made:

        bindery plan -f config/ --source github.com/medicly/config --out plan.json
        bindery apply -f config/ --source github.com/medicly/config --plan plan.json
      """
  )

  @OptionGroup var connection: ConnectionOptions
  @OptionGroup var authoring: AuthoringOptions

  @Flag(name: .long, help: "Show the plan and stop.")
  var dryRun = false

  @Option(
    name: .long,
    help: ArgumentHelp(
      "Apply only what this plan of bindery plan --out has seen.",
      valueName: "file"
    )
  )
  var plan: String?

  @Flag(name: .long, help: "Return when every live node serves it; print who and how fast.")
  var wait = false

  func run() async throws {
    let files = try authoring.load(connection.output)
    let saved = try plan.map { try SavedPlan.read($0, for: files, authoring) }
    let shown = try await connection.send(
      try authoring.request(files, expected: saved ?? [], dryRun: true)
    )
    let diagnostics = files.diagnostics + shown.diagnostics.map { files.located(Diagnostic($0)) }
    guard shown.ok else { try Refusal.tell(diagnostics, connection.output, plan: shown) }
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
    if Terminal.isInteractive, !authoring.yes, connection.output == .table {
      Terminal.write("Apply? [y/N] ")
      guard let answer = readLine(), ["y", "yes"].contains(answer.lowercased()) else {
        Terminal.print("Nothing was changed.")
        return
      }
    }
    let applied = try await connection.send(
      try authoring.request(files, expected: saved ?? shown.expected, dryRun: false)
    )
    guard applied.ok else {
      try Refusal.tell(
        applied.diagnostics.map { files.located(Diagnostic($0)) },
        connection.output,
        plan: applied
      )
    }
    try await connection.tell(applied, diagnostics, wait: wait)
  }
}

extension ConnectionOptions {
  /// Tells what was stored and, with `wait`, who serves it.
  func tell(
    _ applied: Bindery_V1_ApplyResponse,
    _ diagnostics: [Diagnostic],
    wait: Bool
  ) async throws {
    let (revision, timeout) = (applied.revision, timeout)
    let progress =
      wait
      ? try await withAdmin { try await $0.confirmation(of: revision, timeout: timeout) } : nil
    switch output {
    case .json:
      try Terminal.printJSON(applied.json(diagnostics, applied: true, wait: progress?.json))
    case .table:
      let count = applied.changes.count { $0.action != "unchanged" }
      Terminal.print(
        "applied revision \(applied.revision): \(count) objects, \(applied.recompiledBindings.count) bindings compiled"
      )
      progress?.printTable()
    }
    try progress?.requireAll(output)
  }
}
