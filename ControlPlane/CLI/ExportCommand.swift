internal import ArgumentParser
internal import Compiler
internal import Domain
internal import Foundation
internal import Wire
internal import WireServices

/// `bindery export`.
struct ExportCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "export",
    abstract: "Write what is stored as files that apply takes back unchanged.",
    discussion: """
      All of it is as of one revision. Without --to it goes to standard output, as one YAML stream.

        bindery export --to config/ --tenant medicly
        bindery export --at-revision 41 > as-it-was.yaml
        bindery export --to config/ && bindery plan -f config/ --exit-code     nothing to change

      Files are named TENANT/tenant.yaml and TENANT/humans/SLUG.yaml, teams, agents, bindings. Files \
      that are there already under these names are written over, also where one of them was .json and \
      is .yaml now; others are left.
      """
  )

  @OptionGroup var connection: ConnectionOptions

  @Option(name: .customLong("to"), help: ArgumentHelp("A folder.", valueName: "dir"))
  var folder: String?

  @Option(name: .long, help: "Only objects of this tenant.")
  var tenant: String = ""

  @Option(
    name: .long,
    help: ArgumentHelp("Only objects that this source owns.", valueName: "label")
  )
  var source: String?

  @Option(
    name: .long,
    help: ArgumentHelp("As it was at this revision.", valueName: "revision")
  )
  var atRevision: Int64?

  func validate() throws {
    guard (atRevision ?? 1) >= 1 else {
      throw ValidationError("--at-revision must be a revision, from 1.")
    }
  }

  func run() async throws {
    let options = connection.callOptions
    let (tenant, wanted, source) = (tenant, atRevision, source)
    let (revision, objects) = try await connection.withAdmin { admin in
      var revision = wanted ?? 0
      if wanted == nil {
        var first = Bindery_V1_ListRequest()
        first.kind = ObjectKind.tenant.rawValue
        first.pageSize = 1
        revision = try await admin.list(first, options: options).revision
      }
      var objects: [Bindery_V1_Object] = []
      // Before the first commit there is nothing, and no revision to ask for.
      for kind in ObjectKind.allCases where revision > 0 {
        objects += try await admin.all(kind, of: tenant, at: revision, options: options)
      }
      return (revision, objects.filter { source == nil || $0.source == source })
    }
    let texts = try objects.sorted {
      ($0.tenant, rank($0), $0.slug) < ($1.tenant, rank($1), $1.slug)
    }
    .map { (object: $0, document: try document($0)) }
    if let folder {
      for (object, document) in texts { try write(document, of: object, below: folder) }
    }
    switch connection.output {
    case .json:
      try Terminal.printJSON([
        "revision": .int(revision), "objects": .array(texts.map { $0.object.json }),
      ])
    case .table where folder == nil:
      if let (object, _) = texts.first(where: { $0.document.isJSON }) {
        Terminal.error(
          "\(object.kind) \(object.tenant)/\(object.slug) can't be written as YAML; export it with --to, which writes it as JSON"
        )
        throw ExitStatus.invalidConfiguration
      }
      Terminal.write(texts.map(\.document.text).joined(separator: "---\n"))
    case .table:
      Terminal.print("wrote \(texts.count) objects of revision \(revision) below \(folder ?? "")")
    }
  }

  private func rank(_ object: Bindery_V1_Object) -> Int {
    ObjectKind.allCases.firstIndex { $0.rawValue == object.kind } ?? 0
  }

  private func document(_ object: Bindery_V1_Object) throws -> (text: String, isJSON: Bool) {
    guard let kind = ObjectKind(rawValue: object.kind) else {
      Terminal.error("the control plane has a kind that this program does not know: \(object.kind)")
      throw ExitStatus.internalFault
    }
    let key = ObjectKey(kind: kind, tenant: object.tenant, slug: object.slug)
    let spec = JSONValue.parsed(object.specJson)
    if let text = try DocumentText.yaml(key, spec) { return (text, false) }
    return (try DocumentText.json(key, spec), true)
  }

  private func write(
    _ document: (text: String, isJSON: Bool),
    of object: Bindery_V1_Object,
    below folder: String
  ) throws {
    let kind = object.kind.lowercased()
    let file =
      kind == "tenant" ? "\(object.tenant)/tenant" : "\(object.tenant)/\(kind)s/\(object.slug)"
    let url = URL(filePath: folder).appending(path: file + (document.isJSON ? ".json" : ".yaml"))
    do {
      try FileManager.default.createDirectory(
        at: url.deletingLastPathComponent(),
        withIntermediateDirectories: true
      )
      try Data(document.text.utf8).write(to: url, options: .atomic)
      // Of an export before this one, when the object could be written in the other form: the two
      // would say the same object twice.
      let other = url.deletingPathExtension()
        .appendingPathExtension(document.isJSON ? "yaml" : "json")
      if FileManager.default.fileExists(atPath: other.path) {
        try FileManager.default.removeItem(at: other)
      }
    } catch {
      Terminal.error("\(url.path) can't be written: \(error.localizedDescription)")
      throw ExitStatus.cantCreate
    }
  }
}
