import Changelog
import Domain
import Foundation
import Switches
import Testing
import Wire

@Suite struct RegistryTests {
  private let tenant = TenantID(UUID())

  private func greeting(_ name: String, filter: [TenantID] = []) throws -> WatchGreeting {
    var hello = Bindery_V1_Hello()
    hello.nodeID = name
    hello.mode = .eager
    hello.filter.tenantIds = filter.map(\.data)
    return try WatchGreeting(hello)
  }

  private func judge(
    _ nodes: NodeRegistry,
    _ target: ConvergenceTarget,
    later: Duration = .zero
  ) -> Convergence {
    Convergence(of: target, over: nodes.nodes, committedAt: Date(), now: .now + later)
  }

  @Test func `a revision is in force once every live node serves it`() throws {
    let nodes = NodeRegistry()
    _ = nodes.connected(try greeting("a"), holds: nil)
    let second = nodes.connected(try greeting("b"), holds: Revision(3))
    #expect(judge(nodes, .revision(Revision(3))).unconfirmed == ["a"])
    nodes.acknowledged("a", Revision(4), rejected: [])
    #expect(judge(nodes, .revision(Revision(3))).isComplete)
    #expect(judge(nodes, .revision(Revision(4))).unconfirmed == ["b"])
    // A node that has left and holds no lease is not live.
    nodes.disconnected("b", connection: second)
    #expect(judge(nodes, .revision(Revision(4))).isComplete)
    #expect(judge(nodes, .revision(Revision(4))).confirmed.map(\.nodeID) == ["a"])
  }

  @Test func `a node out of reach keeps a switch open under serve, and its lease under refuse`()
    throws
  {
    let nodes = NodeRegistry()
    let stream = nodes.connected(try greeting("a"), holds: Revision(1))
    nodes.reported("a", spoolDepth: 0, activeTurns: 0)
    nodes.disconnected("a", connection: stream)
    let served = ConvergenceTarget.tenantSwitch(tenant, Revision(2), .serve)
    let refused = ConvergenceTarget.tenantSwitch(tenant, Revision(2), .refuse)
    #expect(judge(nodes, served, later: .seconds(60)).unconfirmed == ["a"])
    #expect(judge(nodes, refused).unconfirmed == ["a"])
    let after = judge(nodes, refused, later: .seconds(60))
    #expect(after.isComplete)
    #expect(after.confirmed.map(\.byLease) == [true])
  }

  @Test func `a switch is confirmed by its own answer, or by data that holds it`() throws {
    let nodes = NodeRegistry()
    _ = nodes.connected(try greeting("a"), holds: Revision(1))
    _ = nodes.connected(try greeting("b"), holds: Revision(1))
    _ = nodes.connected(try greeting("c", filter: [TenantID(UUID())]), holds: Revision(1))
    let target = ConvergenceTarget.tenantSwitch(tenant, Revision(2), .serve)
    #expect(judge(nodes, target).unconfirmed == ["a", "b"])
    nodes.acknowledged("a", tenant, switchRevision: Revision(2))
    nodes.acknowledged("b", Revision(2), rejected: [])
    #expect(judge(nodes, target).confirmed.map(\.nodeID) == ["a", "b"])
    #expect(judge(nodes, target).isComplete)
  }

  @Test func `a node that comes back with an older copy no longer counts as having the newer`()
    throws
  {
    let nodes = NodeRegistry()
    _ = nodes.connected(try greeting("a"), holds: nil)
    nodes.acknowledged("a", Revision(9), rejected: [])
    _ = nodes.connected(try greeting("a"), holds: Revision(5))
    #expect(judge(nodes, .revision(Revision(9))).unconfirmed == ["a"])
    #expect(judge(nodes, .revision(Revision(5))).isComplete)
  }

  @Test func `a wait reports each change once, and ends with the last`() async throws {
    let nodes = NodeRegistry()
    _ = nodes.connected(try greeting("a"), holds: Revision(1))
    _ = nodes.connected(try greeting("b"), holds: Revision(1))
    var reports: [[String]] = []
    let last = try await nodes.waitForConvergence(
      on: .revision(Revision(2)),
      committedAt: Date(),
      timeout: .seconds(20)
    ) { found in
      reports.append(found.unconfirmed)
      nodes.acknowledged(found.unconfirmed.first ?? "", Revision(2), rejected: [])
    }
    #expect(last.isComplete)
    #expect(reports == [["a", "b"], ["b"], []])
  }
}
