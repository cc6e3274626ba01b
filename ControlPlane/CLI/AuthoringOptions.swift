internal import ArgumentParser
internal import Codecs
internal import Compiler
internal import Domain
internal import Foundation
internal import GRPCCore
internal import Wire
internal import WireServices

/// Which files, and whose they are: what `plan` and `apply` have in common.
struct AuthoringOptions: ParsableArguments {
  @Option(
    name: [.customShort("f"), .customLong("filename")],
    help: "A folder of YAML files, or one file."
  )
  var path: String

  @Option(
    name: .long,
    help: ArgumentHelp(
      "Where the files come from, e.g. their repository. What it applies it owns: other sources can't change it. Environment: BINDERY_SOURCE.",
      valueName: "label"
    )
  )
  var source: String?

  @Flag(name: .long, help: "Change objects of other sources too, and own them from then on.")
  var takeOver = false

  @Flag(
    name: .long,
    help: "Delete what the source owns and the files leave out. Tenants are never deleted."
  )
  var prune = false

  @Option(
    name: .long,
    help: ArgumentHelp(
      "Prune only in this tenant, also when no file names it; repeatable. Without it, in the tenants of the files.",
      valueName: "tenant"
    )
  )
  var pruneTenant: [String] = []

  @Option(
    name: .long,
    help: ArgumentHelp(
      "With more deletions than this, or more than half of what the source owns, nothing is stored without --yes.",
      valueName: "count"
    )
  )
  var maxDeletions: Int32 = 10

  @Flag(
    name: [.customShort("y"), .long],
    help: "Do not ask, and delete however much --prune finds."
  )
  var yes = false

  @Flag(
    name: .long,
    help: "It is meant that a tenant loses more than half of its addresses; --yes does not say so."
  )
  var confirmEmptying = false

  @Option(name: .long, help: "Why, for the history.")
  var reason: String = ""

  var label: String {
    source ?? ProcessInfo.processInfo.environment["BINDERY_SOURCE"] ?? ""
  }

  func validate() throws {
    if let problem = ApplyOptions.problem(ofSource: label) { throw ValidationError(problem) }
    if prune, label.isEmpty {
      throw ValidationError(
        "--prune needs --source: it deletes what that source owns, and nothing else."
      )
    }
    if maxDeletions < 1 { throw ValidationError("--max-deletions must be at least 1.") }
  }

  /// The documents of the files, all of them fit to be sent.
  ///
  /// - Throws: `ExitStatus.invalidConfiguration` after telling what is wrong with them.
  func load(_ output: OutputFormat) throws -> ConfigFiles {
    let files = ConfigFiles.load(path)
    guard !files.diagnostics.contains(where: { $0.level == .error }) else {
      // The control plane isn't asked: without these documents it would miss what they hold.
      try Refusal.tell(
        files.diagnostics + DocumentCheck.diagnostics(of: files.documents).map(files.located),
        output
      )
    }
    guard !files.documents.isEmpty else {
      Terminal.error("no documents below \(path); expected *.yaml or *.yml.")
      throw ExitStatus.invalidConfiguration
    }
    return files
  }

  func request(
    _ files: ConfigFiles,
    expected: [Bindery_V1_ObjectVersion],
    dryRun: Bool
  ) throws -> Bindery_V1_ApplyRequest {
    var request = Bindery_V1_ApplyRequest()
    request.dryRun = dryRun
    request.author = NSUserName()
    request.reason = reason
    request.source = label
    request.takeOver = takeOver
    request.prune = prune
    request.maxDeletions = maxDeletions
    request.deletionsConfirmed = yes
    request.pruneTenants = pruneTenant
    request.confirmEmptying = confirmEmptying
    request.expected = expected
    request.documents = try files.documents.map { document in
      var wire = Bindery_V1_Document()
      wire.kind = document.key.kind.rawValue
      wire.tenant = document.key.tenant
      wire.slug = document.key.slug
      wire.specJson = try CanonicalJSON.encode(document.spec)
      wire.source = document.source
      return wire
    }
    return request
  }
}

extension ConnectionOptions {
  func send(_ request: Bindery_V1_ApplyRequest) async throws -> Bindery_V1_ApplyResponse {
    let options = callOptions
    let parts = request.parts
    guard parts.count > 1 else {
      return try await withAdmin { try await $0.apply(request, options: options) }
    }
    return try await withAdmin { admin in
      try await admin.applyAll(options: options) { writer in
        for part in parts { try await writer.write(part) }
      }
    }
  }
}

extension Bindery_V1_ApplyRequest {
  /// Messages that together say what this one says, each small enough to be taken. The options are in
  /// the first.
  var parts: [Bindery_V1_ApplyRequest] {
    var first = self
    first.documents = []
    first.expected = []
    var parts = [first]
    var size = 0
    /// Makes room for so many bytes in the last part.
    func room(_ bytes: Int) {
      if size + bytes > Self.partBytes {
        parts.append(Bindery_V1_ApplyRequest())
        size = 0
      }
      size += bytes
    }
    for document in documents {
      let names = document.slug.utf8.count + document.tenant.utf8.count
      room(document.specJson.utf8.count + document.source.utf8.count + names + 50)
      parts[parts.count - 1].documents.append(document)
    }
    for object in expected {
      room(object.slug.utf8.count + object.tenant.utf8.count + 50)
      parts[parts.count - 1].expected.append(object)
    }
    return parts
  }

  /// The control plane takes messages of 4 MiB.
  private static let partBytes = 3 << 20
}

/// Tells that nothing was stored, and why.
enum Refusal {
  static func tell(
    _ diagnostics: [Diagnostic],
    _ output: OutputFormat,
    plan: Bindery_V1_ApplyResponse? = nil
  ) throws -> Never {
    switch output {
    case .json:
      var members: [String: JSONValue] = [
        "ok": false, "applied": false, "diagnostics": .array(diagnostics.map(\.json)),
      ]
      // What would be deleted is to be seen before it is confirmed.
      if let plan, plan.hasDeletions { members["changes"] = .array(plan.changes.map(\.json)) }
      try Terminal.printJSON(.object(members))
    case .table:
      if let plan, plan.hasDeletions { PlanView(response: plan).print() }
      diagnostics.print()
      let errors = diagnostics.count { $0.level == .error }
      Terminal.error("\(errors) error\(errors == 1 ? "" : "s"); nothing was stored.")
    }
    throw ExitStatus.invalidConfiguration
  }
}
