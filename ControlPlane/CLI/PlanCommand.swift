internal import ArgumentParser
internal import Compiler
internal import Domain
internal import Wire

/// `bindery plan -f DIR`.
struct PlanCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "plan",
    abstract: "Show what applying the files would change, and change nothing.",
    discussion: """
      Every object and field that would change, the bindings that would be compiled anew, and the \
      nodes that would get them.

        bindery plan -f config/
        bindery plan -f config/ --source github.com/medicly/config --prune
        bindery plan -f config/ --out plan.json    and later: bindery apply -f config/ --plan plan.json

      Signs: + created, ~ changed, - deleted, = only the owner changes.
      """
  )

  @OptionGroup var connection: ConnectionOptions
  @OptionGroup var authoring: AuthoringOptions

  @Option(
    name: .customLong("out"),
    help: ArgumentHelp("Write the plan to a file, for apply --plan.", valueName: "file")
  )
  var file: String?

  @Flag(name: .long, help: "End with status 2 when something would change.")
  var exitCode = false

  func run() async throws {
    let files = try authoring.load(connection.output)
    let plan = try await connection.send(try authoring.request(files, expected: [], dryRun: true))
    let diagnostics = files.diagnostics + plan.diagnostics.map { files.located(Diagnostic($0)) }
    guard plan.ok else { try Refusal.tell(diagnostics, connection.output, plan: plan) }
    switch connection.output {
    case .json: try Terminal.printJSON(plan.json(diagnostics, applied: false))
    case .table:
      diagnostics.print()
      PlanView(response: plan).print()
    }
    if let file { try SavedPlan(plan, of: files, authoring).write(to: file) }
    if exitCode, !plan.isEmpty { throw ExitStatus.differs }
  }
}
