import Domain
import Foundation
import Logging
import Store
import Testing

@testable import Access

@Suite struct `Calls in flight` {
  private let limits = CallLimits(
    people: 3,
    nodes: 5,
    logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
  )

  private func person(_ id: String) -> Principal {
    Principal(role: .person(.viewer, .platform), id: id, credential: .token(Digest(of: Data())))
  }

  private func node(_ id: String) -> Principal {
    Principal(
      role: .node(NodeGrant(nodeID: "edge-1")),
      id: id,
      credential: .certificate(notAfter: .distantFuture)
    )
  }

  /// Takes places until there is none.
  private func fill(_ caller: Principal, isStream: Bool) -> [CallPlace] {
    var places: [CallPlace] = []
    while places.count < 100, let place = try? limits.place(for: caller, isStream: isStream) {
      places.append(place)
    }
    return places
  }

  @Test func `are limited for each caller, and for nodes by a limit of their own`() throws {
    let (asha, bala, edge) = (person("asha"), person("bala"), node("edge"))
    let places = [asha, bala, edge].map { fill($0, isStream: false) }
    #expect(places.map(\.count) == [3, 3, 5])
    let refusal = #expect(throws: AccessRefusal.self) {
      try limits.place(for: asha, isStream: false)
    }
    #expect(refusal?.code == .exhausted)
    #expect(refusal?.message.contains("3 calls in flight") == true)
    #expect(refusal?.message.contains("--calls-per-caller") == true)
    let nodes = #expect(throws: AccessRefusal.self) { try limits.place(for: edge, isStream: false) }
    #expect(nodes?.message.contains("--calls-per-node") == true)
    #expect(limits.refused == 5)
  }

  @Test func `leave room for a busy node's streams`() throws {
    let calls = fill(node("edge"), isStream: false)
    let streams = fill(node("edge"), isStream: true)
    #expect(calls.count == 5 && streams.count == 5)
  }

  @Test func `end once, when they are told to or when nobody holds them any more`() throws {
    let caller = person("asha")
    var places = fill(caller, isStream: false)
    places[0].end()
    places[0].end()
    let next = try limits.place(for: caller, isStream: false)
    // The one that ended gives nothing back a second time.
    places.removeFirst()
    #expect(throws: AccessRefusal.self) { try limits.place(for: caller, isStream: false) }
    places.removeLast()
    let last = try limits.place(for: caller, isStream: false)
    #expect(limits.accounts == 1)
    next.end()
    last.end()
    places = []
    #expect(limits.accounts == 0)
  }

  @Test func `of many callers leave nothing behind`() throws {
    for number in 0 ..< 10_000 {
      _ = try limits.place(for: person("caller-\(number)"), isStream: number.isMultiple(of: 2))
    }
    #expect(limits.accounts == 0)
  }
}
