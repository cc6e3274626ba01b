internal import ArgumentParser
internal import Compiler
internal import Domain
internal import Foundation

/// `bindery validate -f DIR`.
struct ValidateCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "validate",
    abstract: "Check files without a control plane.",
    discussion: """
      Checks every document by itself and, for each tenant whose Tenant document is among the files, \
      compiles all of it: references, routes, clashes of guardrails. What is stored already isn't known \
      here; with --partial references to it are not looked at.

        bindery validate -f config/
        bindery validate -f config/ --output json
      """
  )

  @Option(
    name: [.customShort("f"), .customLong("filename")],
    help: "A folder of YAML files, or one file."
  )
  var path: String

  @Flag(name: .long, help: "The files are a part: check each document by itself only.")
  var partial = false

  @Option(
    name: .long,
    help: ArgumentHelp(
      "HOST:PORT that tools may reach without https and on private addresses, as the daemon has it; repeatable. Without it, where tools go isn't checked.",
      valueName: "address"
    )
  )
  var toolAllow: [String] = []

  @Option(name: [.customShort("o"), .long], help: "How to show the answer: table or json.")
  var output: OutputFormat = .table

  func run() async throws {
    let files = ConfigFiles.load(path)
    if files.documents.isEmpty, files.diagnostics.isEmpty {
      Terminal.error("no documents below \(path); expected *.yaml or *.yml.")
      throw ExitStatus.invalidConfiguration
    }
    let check = OfflineCheck(
      documents: files.documents,
      // With documents that can't be read, others would seem to refer to nothing.
      isPartial: partial || files.diagnostics.contains { $0.level == .error },
      toolAllow: toolAllow.isEmpty ? nil : Set(toolAllow)
    )
    let diagnostics = files.diagnostics + check.diagnostics.map(files.located)
    let errors = diagnostics.count { $0.level == .error }
    switch output {
    case .json:
      try Terminal.printJSON([
        "ok": .bool(errors == 0), "documents": .int(Int64(files.documents.count)),
        "unchecked_tenants": .array(check.unchecked.map { .string($0) }),
        "diagnostics": .array(diagnostics.map(\.json)),
      ])
    case .table:
      diagnostics.print()
      if !check.unchecked.isEmpty {
        Terminal.note(
          "references of \(check.unchecked.joined(separator: ", ")) were not looked at: no Tenant document here, or only a part"
        )
      }
      if errors == 0 {
        let warnings = diagnostics.count { $0.level == .warning }
        Terminal.print("\(files.documents.count) documents are valid, \(warnings) warnings.")
      } else {
        Terminal.error("\(errors) error\(errors == 1 ? "" : "s").")
      }
    }
    if errors > 0 { throw ExitStatus.invalidConfiguration }
  }
}
