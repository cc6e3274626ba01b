import Compiler
import Domain
import Foundation

/// A small control plane in memory: plans, and keeps what a plan publishes.
struct PlanFixture {
  var planner = Planner(toolAllow: ["127.0.0.1:7480"])
  var world = World(revision: .zero, objects: [:], routes: [], accountOwners: [:])
  var options = ApplyOptions(author: "author", reason: "a test")
  private var minted: UInt8 = 0

  static func folder(_ name: String) -> String {
    URL(filePath: #filePath).appending(path: "../../../Fixtures/\(name)").standardized
      .path(percentEncoded: false)
  }

  /// Ids are minted in a fixed order, so that two fixtures make the same bytes.
  mutating func plan(_ documents: [AuthoredDocument]) -> Plan {
    var minted = minted
    defer { self.minted = minted }
    return planner.plan(
      documents: documents,
      world: world,
      options: options,
      now: Date(timeIntervalSince1970: 1_790_000_000)
    ) {
      minted += 1
      return UUID(uuid: (0, 0, 0, 0, 0, 0, 0x70, 0, 0x80, 0, 0, 0, 0, 0, 0, minted))
    }
  }

  /// Plans, and keeps what the plan publishes.
  @discardableResult
  mutating func apply(_ documents: [AuthoredDocument]) -> Plan {
    let plan = plan(documents)
    guard let publication = plan.publication else { return plan }
    world.revision = world.revision.next
    for object in publication.objects + publication.adopted {
      world.objects[object.key] = object
      world.deleted[object.key] = nil
    }
    for object in publication.deleted {
      world.objects[object.key] = nil
      world.deleted[object.key] = object
    }
    for key in publication.removed {
      guard case .route(_, let channel, let name) = key else { continue }
      world.routes.removeAll { ($0.channel, $0.key) == (channel, name) }
    }
    for resource in publication.resources {
      switch resource {
      case .route(let route):
        world.routes.removeAll { ($0.channel, $0.key) == (route.channel, route.key) }
        world.routes.append(route)
      case .binding(let binding):
        world.compiled[binding.bindingID] = World.CompiledForm(
          digest: binding.digest,
          isActive: binding.isActive
        )
      case .channelAccount(let account): world.accountOwners[account.slug] = account.tenantID
      default: break
      }
    }
    return plan
  }
}

/// Documents of a tenant that is complete and free of errors.
enum Documents {
  static let human: JSONValue = ["display_name": "Asha", "languages": ["hi", "en"]]
  static let team: JSONValue = ["members": ["asha"]]
  static let agent: JSONValue = ["model_routing": ["default": "simulated"]]
  static let binding: JSONValue = [
    "human": "asha", "team": "desk", "agent": "runtime", "routes": ["web": ["shop.example"]],
  ]

  static func document(
    _ kind: ObjectKind,
    _ tenant: String,
    _ slug: String,
    _ spec: JSONValue
  ) -> AuthoredDocument {
    AuthoredDocument(
      key: ObjectKey(kind: kind, tenant: tenant, slug: slug),
      spec: spec,
      source: "\(tenant).yaml:\(kind.rawValue)"
    )
  }

  /// A tenant, and one human, team, agent and binding, each with `changes` over its spec; a null
  /// takes a key out.
  static func complete(
    _ tenant: String = "shop",
    _ changes: [ObjectKind: [String: JSONValue]] = [:]
  ) -> [AuthoredDocument] {
    let specs: [(ObjectKind, String, JSONValue)] = [
      (.tenant, tenant, ["display_name": "Shop"]), (.human, "asha", human), (.team, "desk", team),
      (.agent, "runtime", agent), (.binding, "main", binding),
    ]
    return specs.map { kind, slug, spec in
      let members = (spec.objectValue ?? [:]).merging(changes[kind] ?? [:]) { _, new in new }
      return document(kind, tenant, slug, .object(members.filter { !$0.value.isNull }))
    }
  }
}
