import Compiler
import Domain
import Foundation
import Publishing
import Store
import Testing

@Suite struct `A change that empties a tenant` {
  private func routed(_ hosts: [String], isActive: Bool = true) -> AuthoredDocument {
    AuthoredShop.document(
      .binding,
      "main",
      [
        "human": "asha", "team": "desk", "agent": "runtime", "is_active": .bool(isActive),
        "routes": ["web": .array(hosts.map { .string($0) })],
      ]
    )
  }

  private func apply(
    _ shop: AuthoredShop,
    _ documents: [AuthoredDocument],
    confirmed: Bool = false
  ) async throws -> [String] {
    var options = ApplyOptions(author: "tests", reason: "")
    options.confirmsEmptying = confirmed
    let outcome = try await shop.publisher.apply(documents, options: options, dryRun: false)
    return outcome.plan.diagnostics.map(\.code)
  }

  @Test func `is stored only when it was said to be meant`() async throws {
    try await withStore { fixture in
      let shop = AuthoredShop(fixture.store)
      let hosts = (1 ... 6).map { "h\($0).example" }
      #expect(try await apply(shop, AuthoredShop.whole + []) == [])
      #expect(try await apply(shop, [routed(hosts)]) == [])
      let revision = try await shop.store.currentRevision()
      // Most of them, or all by a switch.
      for documents in [[routed(["h1.example"])], [routed([])], [routed(hosts, isActive: false)]] {
        #expect(try await apply(shop, documents) == ["CFG_EMPTYING"])
      }
      #expect(try await shop.store.currentRevision() == revision)
      // Half of them; other names for all; a move to another binding.
      #expect(try await apply(shop, [routed(Array(hosts.prefix(3)))]) == [])
      #expect(try await apply(shop, [routed(["a.example", "b.example", "c.example"])]) == [])
      let second = AuthoredShop.document(
        .binding,
        "second",
        [
          "human": "asha", "team": "desk", "agent": "runtime",
          "routes": ["web": ["a.example", "b.example", "c.example"]],
        ]
      )
      #expect(try await apply(shop, [routed([]), second]) == [])
      let off = AuthoredDocument(
        key: second.key,
        spec: ["human": "asha", "team": "desk", "agent": "runtime"],
        source: ""
      )
      #expect(try await apply(shop, [off]) == ["CFG_EMPTYING"])
      #expect(try await apply(shop, [off], confirmed: true) == [])
      #expect(try await shop.store.activeRouteCount(of: try await shop.tenant()) == 0)
    }
  }

  @Test func `also when an old version comes back`() async throws {
    try await withStore { fixture in
      let shop = AuthoredShop(fixture.store)
      _ = try await apply(shop, AuthoredShop.whole)
      _ = try await apply(shop, [routed((1 ... 6).map { "h\($0).example" })])
      func back(_ isMeant: Bool) async throws -> [String] {
        try await shop.publisher.rollBack(
          AuthoredShop.key(.binding, "main"),
          to: 1,
          expected: nil,
          author: "tests",
          reason: "",
          dryRun: false,
          confirmsEmptying: isMeant
        ).plan.diagnostics.map(\.code)
      }
      #expect(try await back(false) == ["CFG_EMPTYING"])
      #expect(try await back(true) == [])
    }
  }
}

extension AuthoredShop {
  fileprivate func tenant() async throws -> TenantID {
    TenantID(try #require(try await store.object(Self.key(.tenant, "shop"))).id)
  }
}
