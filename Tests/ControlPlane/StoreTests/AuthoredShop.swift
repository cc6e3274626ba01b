import Compiler
import Domain
import Foundation
import Publishing
import Store

/// A tenant that is authored through the publisher, as the daemon does it.
struct AuthoredShop {
  let publisher: Publisher
  let store: Store

  init(_ store: Store) {
    self.store = store
    publisher = Publisher(store: store, planner: Planner())
  }

  static func key(_ kind: ObjectKind, _ slug: String) -> ObjectKey {
    ObjectKey(kind: kind, tenant: "shop", slug: slug)
  }

  static func document(_ kind: ObjectKind, _ slug: String, _ spec: JSONValue) -> AuthoredDocument {
    AuthoredDocument(key: key(kind, slug), spec: spec, source: "shop.yaml:1")
  }

  static func human(_ name: String, _ display: String) -> AuthoredDocument {
    document(.human, name, ["display_name": .string(display), "languages": ["hi", "en"]])
  }

  static func binding(_ slug: String, human: String, host: String) -> AuthoredDocument {
    document(
      .binding,
      slug,
      [
        "human": .string(human), "team": "desk", "agent": "runtime",
        "routes": ["web": [.string(host)]],
      ]
    )
  }

  /// A tenant with one of each.
  static let whole = [
    document(.tenant, "shop", ["display_name": "Shop"]), human("asha", "Asha"),
    document(.team, "desk", ["members": ["asha"]]),
    document(.agent, "runtime", ["model_routing": ["default": "simulated"]]),
    binding("main", human: "asha", host: "shop.example"),
  ]

  @discardableResult
  func apply(
    _ documents: [AuthoredDocument],
    expected: [ObjectKey: Int32] = [:],
    source: String = "",
    takeOver: Bool = false,
    prune: ApplyOptions.Prune? = nil,
    reason: String = ""
  ) async throws -> Publisher.Outcome {
    try await publisher.apply(
      documents,
      options: ApplyOptions(
        author: "tests",
        reason: reason,
        source: source,
        takeOver: takeOver,
        prune: prune
      ),
      expected: expected,
      dryRun: false
    )
  }

  func objects() async throws -> [StoredObject] {
    var objects: [StoredObject] = []
    for kind in ObjectKind.allCases { objects += try await store.list(kind: kind, tenant: "shop") }
    return objects
  }

  /// All that can be read of a revision, or of now.
  func state(at revision: Revision? = nil) async throws -> Past {
    var past = Past()
    for kind in ObjectKind.allCases {
      let objects =
        if let revision {
          try await store.list(kind: kind, at: revision)
        } else {
          try await store.list(kind: kind)
        }
      for object in objects {
        past.objects[object.key] = Past.Object(
          id: object.id,
          version: object.version,
          spec: object.spec,
          status: object.status
        )
      }
    }
    past.routes = try await store.routes(at: revision)
    return past
  }
}

/// What the configuration was.
struct Past: Equatable {
  struct Object: Equatable {
    var id: UUID
    var version: Int32
    var spec: JSONValue
    var status: TenantStatus?
  }

  var objects: [ObjectKey: Object] = [:]
  var routes: [NamedRoute] = []
}

/// SplitMix64.
struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }
}
