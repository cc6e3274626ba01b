internal import ArgumentParser
internal import Domain
internal import Foundation
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
      """
  )

  @OptionGroup var connection: ConnectionOptions

  @Option(name: .long, help: "Only objects of this tenant.")
  var tenant: String = ""

  @Argument(help: "tenant(s), human(s), team(s), agent(s) or binding(s).")
  var kind: ObjectKindArgument

  @Argument(help: "TENANT/SLUG of one object (for a tenant, its slug).")
  var name: String?

  func run() async throws {
    if let name {
      let object = try await one(ObjectName(parsing: name, kind: kind.kind))
      switch connection.output {
      case .json: try Terminal.printJSON(object.json)
      case .table: try printWhole(object)
      }
      return
    }
    let objects = try await all()
    switch connection.output {
    case .json: try Terminal.printJSON(.array(objects.map(\.json)))
    case .table:
      var table = Table([
        ("TENANT", .left), ("SLUG", .left), ("NAME", .left), ("VERSION", .right),
        ("STATUS", .left), ("CHANGED", .left),
      ])
      for object in objects {
        table.add([
          object.tenant, object.slug, object.displayName, String(object.version),
          object.status, Self.time(object.updatedAtMs),
        ])
      }
      for line in table.lines { Terminal.print(line) }
    }
  }

  private func one(_ name: ObjectName) async throws -> Bindery_V1_Object {
    var request = Bindery_V1_GetRequest()
    request.kind = kind.kind.rawValue
    request.tenant = name.tenant
    request.slug = name.slug
    let message = request
    let options = connection.callOptions
    return try await connection.withAdmin { try await $0.get(message, options: options).object }
  }

  private func all() async throws -> [Bindery_V1_Object] {
    let options = connection.callOptions
    let kind = kind.kind.rawValue
    let tenant = tenant
    return try await connection.withAdmin { admin in
      var objects: [Bindery_V1_Object] = []
      var request = Bindery_V1_ListRequest()
      request.kind = kind
      request.tenant = tenant
      repeat {
        let page = try await admin.list(request, options: options)
        objects += page.objects
        request.pageToken = page.nextPageToken
      } while !request.pageToken.isEmpty
      return objects
    }
  }

  private func printWhole(_ object: Bindery_V1_Object) throws {
    let name =
      object.kind == ObjectKind.tenant.rawValue ? object.slug : "\(object.tenant)/\(object.slug)"
    Terminal.print("\(object.kind) \(name), version \(object.version), \(object.status)")
    Terminal.print("id \(object.id), changed \(Self.time(object.updatedAtMs))")
    try Terminal.printJSON(.parsed(object.specJson))
  }

  private static func time(_ ms: Int64) -> String {
    Date(timeIntervalSince1970: Double(ms) / 1000)
      .formatted(.iso8601.dateSeparator(.dash).timeSeparator(.colon))
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

extension Bindery_V1_Object {
  var json: JSONValue {
    [
      "kind": .string(kind), "id": .string(id), "tenant": .string(tenant), "slug": .string(slug),
      "display_name": .string(displayName), "version": .int(Int64(version)),
      "status": .string(status), "spec": .parsed(specJson), "updated_at_ms": .int(updatedAtMs),
    ]
  }
}
