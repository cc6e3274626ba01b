internal import ArgumentParser
internal import Domain
internal import Foundation
internal import GRPCCore
internal import Wire
internal import WireServices

/// `bindery get KIND [TENANT/SLUG]`.
struct GetCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "get",
    abstract: "Show objects, or one object whole.",
    discussion: """
        bindery get tenants
        bindery get teams --tenant medicly
        bindery get human medicly/dr-medicly -o json
        bindery get routes --tenant medicly
        bindery get bindings --at-revision 41     as it was then

      Of the past the whole configuration can be read: `bindery retention` says how far back.
      """
  )

  @OptionGroup var connection: ConnectionOptions

  @Option(name: .long, help: "Only objects of this tenant.")
  var tenant: String = ""

  @Option(
    name: .long,
    help: ArgumentHelp("As it was at this revision.", valueName: "revision")
  )
  var atRevision: Int64?

  @Argument(help: "tenant(s), human(s), team(s), agent(s), binding(s) or routes.")
  var kind: ListedKind

  @Argument(help: "TENANT/SLUG of one object (for a tenant, its slug).")
  var name: String?

  func validate() throws {
    guard (atRevision ?? 1) >= 1 else {
      throw ValidationError("--at-revision must be a revision, from 1.")
    }
    if case .routes = kind, name != nil { throw ValidationError("routes are only listed.") }
  }

  func run() async throws {
    switch kind {
    case .routes: try await printRoutes()
    case .objects(let kind): try await show(kind)
    }
  }

  private func show(_ kind: ObjectKind) async throws {
    if let name {
      let object = try await one(ObjectName(parsing: name, kind: kind), kind)
      switch connection.output {
      case .json: try Terminal.printJSON(object.json)
      case .table: try printWhole(object)
      }
      return
    }
    let objects = try await all(kind)
    switch connection.output {
    case .json: try Terminal.printJSON(.array(objects.map(\.json)))
    case .table:
      var table = Table([
        ("TENANT", .left), ("SLUG", .left), ("NAME", .left), ("VERSION", .right),
        ("STATUS", .left), ("CHANGED", .left), ("SOURCE", .left),
      ])
      for object in objects {
        table.add([
          object.tenant, object.slug, object.displayName, String(object.version),
          object.status, Moment.text(object.updatedAtMs), object.source,
        ])
      }
      for line in table.lines { Terminal.print(line) }
    }
  }

  private func one(_ name: ObjectName, _ kind: ObjectKind) async throws -> Bindery_V1_Object {
    var request = Bindery_V1_GetRequest()
    request.kind = kind.rawValue
    request.atRevision = atRevision ?? 0
    request.tenant = name.tenant
    request.slug = name.slug
    let message = request
    let options = connection.callOptions
    return try await connection.withAdmin { try await $0.get(message, options: options).object }
  }

  private func all(_ kind: ObjectKind) async throws -> [Bindery_V1_Object] {
    let options = connection.callOptions
    let (tenant, revision) = (tenant, atRevision ?? 0)
    return try await connection.withAdmin { admin in
      try await admin.all(kind, of: tenant, at: revision, options: options)
    }
  }

  private func printRoutes() async throws {
    let options = connection.callOptions
    let (tenant, revision) = (tenant, atRevision ?? 0)
    let routes = try await connection.withAdmin { admin in
      var routes: [Bindery_V1_RouteInfo] = []
      var request = Bindery_V1_ListRoutesRequest()
      request.tenant = tenant
      request.atRevision = revision
      repeat {
        let page = try await admin.listRoutes(request, options: options)
        routes += page.routes
        request.pageToken = page.nextPageToken
      } while !request.pageToken.isEmpty
      return routes
    }
    switch connection.output {
    case .json:
      try Terminal.printJSON(
        .array(
          routes.map {
            [
              "channel": .string($0.channel), "key": .string($0.key),
              "tenant": .string($0.tenant), "binding": .string($0.binding),
            ]
          }
        )
      )
    case .table:
      var table = Table([
        ("CHANNEL", .left), ("KEY", .left), ("TENANT", .left), ("BINDING", .left),
      ])
      for route in routes { table.add([route.channel, route.key, route.tenant, route.binding]) }
      for line in table.lines { Terminal.print(line) }
    }
  }

  private func printWhole(_ object: Bindery_V1_Object) throws {
    let name =
      object.kind == ObjectKind.tenant.rawValue ? object.slug : "\(object.tenant)/\(object.slug)"
    Terminal.print("\(object.kind) \(name), version \(object.version), \(object.status)")
    let source = object.source.isEmpty ? "" : ", source \(object.source)"
    Terminal.print("id \(object.id), changed \(Moment.text(object.updatedAtMs))\(source)")
    try Terminal.printJSON(.parsed(object.specJson))
  }
}

extension ConnectionOptions.AdminClient {
  /// All objects of a kind.
  ///
  /// - Parameters:
  ///   - tenant: Slug; empty for all.
  ///   - revision: As of which; 0 for now.
  func all(
    _ kind: ObjectKind,
    of tenant: String,
    at revision: Int64,
    options: CallOptions
  ) async throws -> [Bindery_V1_Object] {
    var objects: [Bindery_V1_Object] = []
    var request = Bindery_V1_ListRequest()
    request.kind = kind.rawValue
    request.tenant = tenant
    request.atRevision = revision
    repeat {
      let page = try await list(request, options: options)
      objects += page.objects
      request.pageToken = page.nextPageToken
    } while !request.pageToken.isEmpty
    return objects
  }
}

/// TENANT/SLUG, or a tenant's slug alone.
struct ObjectName {
  let tenant: String
  let slug: String

  init(parsing text: String, kind: ObjectKind) throws {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
    if kind == .tenant {
      guard parts.count == 1, !text.isEmpty else {
        throw ValidationError("'\(text)' is no tenant; write its slug, e.g. medicly.")
      }
      tenant = text
      slug = text
    } else {
      guard parts.count == 2, parts.allSatisfy({ !$0.isEmpty }) else {
        throw ValidationError("'\(text)' is no name; write TENANT/SLUG, e.g. medicly/front-desk.")
      }
      tenant = parts[0]
      slug = parts[1]
    }
  }
}

/// A kind as people type it.
struct ObjectKindArgument: ExpressibleByArgument {
  let kind: ObjectKind

  init?(argument: String) {
    let singular = argument.lowercased()
    guard
      let kind = ObjectKind.allCases.first(where: {
        $0.rawValue.lowercased() == singular || $0.rawValue.lowercased() + "s" == singular
      })
    else { return nil }
    self.kind = kind
  }

  static var allValueStrings: [String] { ObjectKind.allCases.map { $0.rawValue.lowercased() } }
}

/// What can be listed.
enum ListedKind: ExpressibleByArgument {
  case objects(ObjectKind)
  case routes

  init?(argument: String) {
    if ["route", "routes"].contains(argument.lowercased()) {
      self = .routes
    } else if let kind = ObjectKindArgument(argument: argument) {
      self = .objects(kind.kind)
    } else {
      return nil
    }
  }

  static var allValueStrings: [String] { ObjectKindArgument.allValueStrings + ["routes"] }
}

extension Bindery_V1_Object {
  var json: JSONValue {
    [
      "kind": .string(kind), "id": .string(id), "tenant": .string(tenant), "slug": .string(slug),
      "display_name": .string(displayName), "version": .int(Int64(version)),
      "status": .string(status), "spec": .parsed(specJson), "updated_at_ms": .int(updatedAtMs),
      "source": .string(source),
    ]
  }
}
