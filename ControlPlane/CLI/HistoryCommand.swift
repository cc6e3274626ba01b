internal import ArgumentParser
internal import Domain
internal import Foundation
internal import Wire
internal import WireServices

/// An object as it is named on the command line.
struct NamedObject: ParsableArguments {
  @Argument(help: "tenant, human, team, agent or binding.")
  var kind: ObjectKindArgument

  @Argument(help: "TENANT/SLUG of the object (for a tenant, its slug).")
  var name: String

  func parsed() throws -> ObjectName { try ObjectName(parsing: name, kind: kind.kind) }
}

/// `bindery history KIND TENANT/SLUG`.
struct HistoryCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "history",
    abstract: "Show the versions of an object, newest first: who, when, why, from where.",
    discussion: """
        bindery history team medicly/front-desk
        bindery history binding medicly/medicly-main -o json
      """
  )

  @OptionGroup var connection: ConnectionOptions
  @OptionGroup var object: NamedObject

  @Option(name: .long, help: "At most this many.")
  var limit: Int = 1000

  func validate() throws {
    guard limit >= 1 else { throw ValidationError("--limit must be at least 1.") }
  }

  func run() async throws {
    let name = try object.parsed()
    var first = Bindery_V1_HistoryRequest()
    first.kind = object.kind.kind.rawValue
    first.tenant = name.tenant
    first.slug = name.slug
    let request = first
    let (options, limit) = (connection.callOptions, limit)
    let versions = try await connection.withAdmin { admin in
      var versions: [Bindery_V1_VersionInfo] = []
      var request = request
      while true {
        request.pageSize = Int32(min(1000, limit - versions.count))
        let page = try await admin.history(request, options: options)
        versions += page.versions
        guard page.more, versions.count < limit, let last = page.versions.last else {
          return versions
        }
        request.beforeVersion = last.version
      }
    }
    switch connection.output {
    case .json: try Terminal.printJSON(.array(versions.map(\.json)))
    case .table:
      var table = Table([
        ("VERSION", .right), ("REVISION", .right), ("WHEN", .left), ("AUTHOR", .left),
        ("SOURCE", .left), ("REASON", .left),
      ])
      for version in versions {
        table.add([
          String(version.version), version.revision > 0 ? String(version.revision) : "-",
          Moment.text(version.atMs), version.author, version.source,
          version.deleted ? "(deleted) \(version.reason)" : version.reason,
        ])
      }
      for line in table.lines { Terminal.print(line) }
    }
  }
}

/// Points in time as they are shown.
enum Moment {
  static func text(_ ms: Int64) -> String {
    Date(timeIntervalSince1970: Double(ms) / 1000)
      .formatted(.iso8601.dateSeparator(.dash).timeSeparator(.colon))
  }
}

extension Bindery_V1_VersionInfo {
  var json: JSONValue {
    [
      "version": .int(Int64(version)), "revision": .int(revision), "at_ms": .int(atMs),
      "author": .string(author), "reason": .string(reason), "source": .string(source),
      "deleted": .bool(deleted),
    ]
  }
}
