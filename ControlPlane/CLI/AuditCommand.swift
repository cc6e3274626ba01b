internal import ArgumentParser
internal import Domain
internal import Foundation
internal import Wire
internal import WireServices

/// `bindery audit`.
struct AuditCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "audit",
    abstract: "Show who changed what, when, why and from where, and what was refused.",
    discussion: """
      Newest first. A tenant's token sees its tenant's changes, a token of the platform all of them.

        bindery audit --tenant medicly --since 7d
        bindery audit --object human/asha
        bindery audit --actor 7k2m4x5qhc --refused
        bindery audit --platform -o json
      """
  )

  @OptionGroup var connection: ConnectionOptions

  @Option(name: .long, help: "Only this tenant's.")
  var tenant: String = ""

  @Flag(name: .long, help: "Only what is the platform's and no tenant's.")
  var platform = false

  @Option(name: .long, help: "Only what this actor did: a token's id, or the name as it is shown.")
  var actor: String = ""

  @Option(
    name: .long,
    help: "Only this object: KIND/SLUG (human/asha, token/7k2m4x5qhc), or a whole KIND."
  )
  var object: AuditedObject?

  @Option(
    name: .long,
    help: "Only from here on: a span (24h, 7d) or a time (2026-11-24T10:00:00Z)."
  )
  var since: PointInTime?

  @Option(name: .long, help: "Only before this: a span ago, or a time.")
  var until: PointInTime?

  @Flag(name: .long, help: "Only what was refused.")
  var refused = false

  @Option(name: .long, help: "At most so many, over as many pages as it takes.")
  var limit: Int = 100

  func validate() throws {
    if platform, !tenant.isEmpty {
      throw ValidationError("--tenant and --platform exclude each other.")
    }
    guard limit > 0 else { throw ValidationError("--limit must be more than 0.") }
  }

  func run() async throws {
    var request = Bindery_V1_AuditRequest()
    request.tenant = tenant
    request.platformOnly = platform
    request.actor = actor
    request.objectKind = object?.kind.rawValue ?? ""
    request.object = object?.name ?? ""
    request.fromMs = since?.milliseconds ?? 0
    request.toMs = until?.milliseconds ?? 0
    request.refusedOnly = refused
    let first = request
    let (limit, options) = (limit, connection.callOptions)
    let entries = try await connection.withAdmin { admin in
      var entries: [Bindery_V1_AuditEntry] = []
      var next = first
      repeat {
        next.pageSize = Int32(min(limit - entries.count, 1000))
        let page = try await admin.audit(next, options: options)
        entries += page.entries
        next.pageToken = page.nextPageToken
      } while !next.pageToken.isEmpty && entries.count < limit
      return entries
    }
    switch connection.output {
    case .json: try Terminal.printJSON(.array(entries.map(\.json)))
    case .table: printTable(entries)
    }
  }

  private func printTable(_ entries: [Bindery_V1_AuditEntry]) {
    var table = Table([
      ("TIME", .left), ("TENANT", .left), ("WHO", .left), ("ROLE", .left), ("WHAT", .left),
      ("OBJECT", .left), ("DETAIL", .left), ("REVISION", .right), ("WHY", .left), ("FROM", .left),
    ])
    for entry in entries {
      table.add([
        entry.time, entry.tenant.isEmpty ? "-" : entry.tenant, entry.actor, entry.role,
        entry.refused ? "refused \(entry.action)" : entry.action,
        entry.objectKind.isEmpty ? "" : "\(entry.objectKind) \(entry.object)",
        entry.detail, entry.revision > 0 ? String(entry.revision) : "",
        entry.reason, entry.peer,
      ])
    }
    for line in table.lines { Terminal.print(line) }
  }
}

/// What an entry of the audit log is about, as people type it.
struct AuditedObject: ExpressibleByArgument {
  enum Kind: String, CaseIterable {
    case tenant = "Tenant"
    case human = "Human"
    case team = "Team"
    case agent = "Agent"
    case binding = "Binding"
    case token = "Token"
    case rollout = "Rollout"
    case retention = "Retention"
    case user = "User"
  }

  let kind: Kind
  /// Slug or id; empty for all of the kind.
  let name: String

  init?(argument: String) {
    let parts = argument.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
    guard
      let kind = Kind.allCases.first(where: { $0.rawValue.lowercased() == parts[0].lowercased() })
    else { return nil }
    self.kind = kind
    name = parts.count == 2 ? String(parts[1]) : ""
  }
}

/// A point in time: so long ago, or as RFC 3339 writes it.
struct PointInTime: ExpressibleByArgument {
  let milliseconds: Int64

  init?(argument: String) {
    if let span = Span(argument: argument) {
      milliseconds = Int64(Date().timeIntervalSince1970 * 1000) - span.seconds * 1000
      return
    }
    do {
      let date = try Date(argument, strategy: .iso8601)
      milliseconds = Int64(date.timeIntervalSince1970 * 1000)
    } catch {
      return nil
    }
  }
}

extension Bindery_V1_AuditEntry {
  fileprivate var time: String {
    Date(timeIntervalSince1970: Double(atMs) / 1000).formatted(.iso8601)
  }

  fileprivate var json: JSONValue {
    [
      "id": .int(id), "at": .string(time), "at_ms": .int(atMs), "tenant": .string(tenant),
      "actor": .string(actor), "actor_id": .string(actorID), "role": .string(role),
      "peer": .string(peer), "reason": .string(reason), "action": .string(action),
      "object_kind": .string(objectKind), "object": .string(object), "detail": .string(detail),
      "revision": .int(revision), "refused": .bool(refused),
    ]
  }
}
