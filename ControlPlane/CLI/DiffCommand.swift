internal import ArgumentParser
internal import Domain
internal import Wire
internal import WireServices

/// `bindery diff KIND TENANT/SLUG [A] [B]`.
struct DiffCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "diff",
    abstract: "Show what differs between two versions of an object, field by field.",
    discussion: """
        bindery diff team medicly/front-desk          the last change
        bindery diff team medicly/front-desk 3        from version 3 to the newest
        bindery diff team medicly/front-desk 3 5 -o json

      A path into a list names the place in B, or in A for what is gone.
      """
  )

  @OptionGroup var connection: ConnectionOptions
  @OptionGroup var object: NamedObject

  @Argument(help: "Version to look from; without it the one before B.")
  var a: Int32?

  @Argument(help: "Version to look to; without it the newest.")
  var b: Int32?

  @Flag(name: .long, help: "End with status 2 when they differ.")
  var exitCode = false

  func validate() throws {
    guard (a ?? 1) >= 1, (b ?? 1) >= 1 else {
      throw ValidationError("versions are numbers from 1.")
    }
  }

  func run() async throws {
    let name = try object.parsed()
    var request = Bindery_V1_DiffRequest()
    request.kind = object.kind.kind.rawValue
    request.tenant = name.tenant
    request.slug = name.slug
    request.fromVersion = a ?? 0
    request.toVersion = b ?? 0
    let (message, options) = (request, connection.callOptions)
    let diff = try await connection.withAdmin { try await $0.diff(message, options: options) }
    switch connection.output {
    case .json:
      try Terminal.printJSON([
        "kind": .string(object.kind.kind.rawValue), "tenant": .string(name.tenant),
        "slug": .string(name.slug), "from": diff.hasFrom ? diff.from.json : .null,
        "to": diff.to.json, "fields": .array(diff.fields.map(\.json)),
      ])
    case .table: print(diff)
    }
    if exitCode, !diff.fields.isEmpty { throw ExitStatus.differs }
  }

  private func print(_ diff: Bindery_V1_DiffResponse) {
    let from = diff.hasFrom ? head(diff.from) : "nothing"
    Terminal.print("--- \(from)")
    Terminal.print("+++ \(head(diff.to))")
    for field in diff.fields {
      Terminal.print(field.path.isEmpty ? "(all)" : field.path)
      for line in lines(field.beforeJson) { Terminal.print("  - \(line)") }
      for line in lines(field.afterJson) { Terminal.print("  + \(line)") }
    }
    if diff.fields.isEmpty { Terminal.print("no difference") }
  }

  private func head(_ version: Bindery_V1_VersionInfo) -> String {
    let reason = version.reason.isEmpty ? "" : ": \(version.reason)"
    let end = version.deleted ? " (deleted)" : ""
    return
      "version \(version.version), \(Moment.text(version.atMs)), \(version.author)\(reason)\(end)"
  }

  /// A text as it is, a line a line; anything else as JSON on one.
  private func lines(_ json: String) -> [String] {
    guard !json.isEmpty else { return [] }
    guard case .string(let text) = JSONValue.parsed(json), text.contains("\n") else {
      return [json]
    }
    return text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
  }
}
