internal import Foundation
internal import HTTP2
internal import NIOCore
internal import Scenario

/// Resident memory of a server for N idle watchers, each on a connection of its own.
struct IdleMemory {
  let place: BenchPlace
  let folder: URL
  let servers: [TransportPeer]

  /// How often a crowd comes and goes.
  let rounds: Int

  /// KiB for one watcher: while a crowd is there, and what is left of it once all are gone, for every
  /// crowd in turn. What an allocator keeps for itself stops growing after a few; a leak does not.
  private struct Growth {
    var there: [Double] = []
    var left: [Double] = []

    var first: Double { there.first ?? .nan }
  }

  /// A fresh server for every number of `counts`.
  func run(_ counts: [Int]) async throws -> String {
    var table = TextTable(["memory for idle watchers"] + counts.map { "KiB each of \($0)" })
    let etcd = try await counts.mapInTurn { try await ofEtcd($0) }
    table.add(["etcd 3.4"] + etcd.map { decimals($0.first) })
    var returned = TextTable(
      ["memory when watchers come and go"]
        + counts.map { "KiB each of \($0): there (left when gone), \(rounds) times" }
    )
    returned.add(["etcd 3.4"] + etcd.map(told))
    for server in servers {
      let own = try await counts.mapInTurn { try await of(server, $0) }
      table.add(
        [server.title]
          + zip(own, etcd).map {
            "\(decimals($0.first)) (\(decimals($0.first / $1.first, 2)) of etcd)"
          }
      )
      returned.add([server.title] + own.map(told))
    }
    let session = try bareSession()
    return table.text + """

      (growth of VmRSS from a server that has served one watcher; of it, an HTTP/2 session with one \
      stream and nothing around it: \(decimals(session)) KiB)

      """ + returned.text
  }

  private func told(_ growth: Growth) -> String {
    zip(growth.there, growth.left).map { "\(decimals($0)) (\(decimals($1)))" }
      .joined(separator: ", ")
  }

  /// KiB of one libnghttp2 session of a server with one stream, as the product sets it up.
  private func bareSession() throws -> Double {
    let count = 5_000
    let client = try HTTP2Session(role: .client)
    _ = try client.request([
      HeaderField(":method", "POST"), HeaderField(":scheme", "http"),
      HeaderField(":path", "/bindery.bench.Echo/Watch"),
      HeaderField(":authority", "127.0.0.1:7960"), HeaderField("te", "trailers"),
      HeaderField("content-type", "application/grpc"),
    ])
    var request = ByteBuffer()
    while try client.pull(into: &request, limit: 64 * 1024) {}
    let before = try ProcessUsage.residentKiB(of: getpid())
    var answer = ByteBuffer()
    let sessions = try (0 ..< count).map { _ in
      let session = try HTTP2Session(role: .server)
      try request.withUnsafeReadableBytes { try session.receive($0) }
      try session.respond([HeaderField(":status", "200")], on: 1, endStream: false)
      answer.clear()
      while try session.pull(into: &answer, limit: 64 * 1024) {}
      return session
    }
    return try withExtendedLifetime(sessions) {
      (try ProcessUsage.residentKiB(of: getpid()) - before) / Double(count)
    }
  }

  private func of(_ peer: TransportPeer, _ count: Int) async throws -> Growth {
    let server = try await peer.start(place, folder)
    return try await growth(of: server, .echo, peer.port, count)
  }

  private func ofEtcd(_ count: Int) async throws -> Growth {
    let port = 7952
    let server = try await EtcdServer.start(port: port, folder)
    return try await growth(of: server, .etcd, port, count)
  }

  private func growth(
    of server: Program,
    _ kind: WatchLoad.Peer,
    _ port: Int,
    _ count: Int
  ) async throws -> Growth {
    do {
      let first = try await crowd(kind, port, 1)
      let before = try await settled(server)
      func grown() async throws -> Double {
        (try await settled(server) - before) / Double(count)
      }
      var growth = Growth()
      for _ in 0 ..< rounds {
        let watchers = try await crowd(kind, port, count)
        growth.there.append(try await grown())
        await watchers.stop()
        // A server may take a moment until it returns memory to the system.
        try await Task.sleep(for: .seconds(4))
        growth.left.append(try await grown())
      }
      await first.stop()
      await server.stop()
      return growth
    } catch {
      await server.stop()
      throw error
    }
  }

  private func crowd(_ kind: WatchLoad.Peer, _ port: Int, _ count: Int) async throws -> Program {
    try await place.start(
      "bindery-bench",
      [
        "watchers", "--peer", kind.rawValue, "--port", "\(port)", "--count", "\(count)", "--bytes",
        "1000000",
      ],
      as: "idle-\(port)-\(count)-\(UUID().uuidString.prefix(4))",
      in: folder
    )
  }

  /// Resident memory once it moves by less than 1% in half a second.
  private func settled(_ server: Program) async throws -> Double {
    var last = 0.0
    return try await waitFor(
      "\(server.name)'s memory settles",
      within: .seconds(30),
      every: .milliseconds(500)
    ) {
      let now = try ProcessUsage.residentKiB(of: server.processIdentifier)
      defer { last = now }
      return abs(now - last) < now / 100 ? now : nil
    }
  }
}

extension Array {
  /// Like `map`, one after the other.
  func mapInTurn<T>(_ body: (Element) async throws -> T) async throws -> [T] {
    var results: [T] = []
    for element in self { results.append(try await body(element)) }
    return results
  }
}
