internal import Domain
internal import Foundation
internal import GRPCCore
internal import Scenario
internal import Synchronization
internal import Transport
internal import Wire
internal import WireServices

/// What watchers cost those who commit, and in memory.
struct PushCost {
  let push: PushRounds
  let etcd: Program
  let control: Program

  // MARK: - Memory

  /// Growth of resident memory for so many idle watchers, each on a connection of its own.
  func memory(_ count: Int) async throws -> String {
    var table = TextTable(["memory of \(count) idle watchers", "KiB each"])
    for peer in push.peers {
      let server: Program
      switch peer.kind {
      case .etcd: server = etcd
      case .bindery: server = control
      case .floor, .echo: continue
      }
      let before = try await settled(server)
      let crowd = try await push.crowd(of: count, at: peer, turn: 100)
      let each = (try await settled(server) - before) / Double(count)
      try await crowd.stopAndWait()
      table.add([peer.name, decimals(each)])
    }
    return table.text
      + "\n(growth of VmRSS; earlier crowds may have left room that is used again)\n"
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

  // MARK: - Commits

  /// How long commits take that come so many a second, whatever the answers take, with and without watchers, in
  /// turns. A commit switches one of eight tenants; times count from when it was due.
  func commits(
    _ watchers: Int,
    rate: Int,
    client: GRPCClient<HTTP2ClientTransport>
  ) async throws -> String {
    guard let peer = push.peers.first(where: { $0.kind == .bindery }) else { return "" }
    let admin = Bindery_V1_Admin.Client(wrapping: client)
    try await makeTenants(admin)
    var alone = Times()
    var beside = Times()
    var failed = (alone: 0, beside: 0)
    let count = rate * 5
    for turn in 0 ..< 3 {
      let quiet = try await offer(count, rate, turn * 2, admin)
      quiet.forEach { alone.add(milliseconds: $0) }
      failed.alone += count - quiet.count
      let crowd = try await push.crowd(of: watchers, at: peer, turn: 200 + turn)
      let busy = try await offer(count, rate, turn * 2 + 1, admin)
      busy.forEach { beside.add(milliseconds: $0) }
      failed.beside += count - busy.count
      try await crowd.stopAndWait()
    }
    var table = TextTable([
      "\(rate) commits/s offered", "p50", "p95", "p99", "p99 of without", "failed",
    ])
    for (name, times, failed) in [
      ("no watchers", alone, failed.alone), ("\(watchers) watchers", beside, failed.beside),
    ] {
      table.add([
        name, decimals(times.quantile(0.5)), decimals(times.quantile(0.95)),
        decimals(times.quantile(0.99)),
        decimals(times.quantile(0.99) / alone.quantile(0.99), 2), "\(failed)",
      ])
    }
    return table.text + "\n(ms, from when a commit was due)\n"
  }

  private static let tenants = 8

  private func makeTenants(
    _ admin: Bindery_V1_Admin.Client<HTTP2ClientTransport>
  ) async throws {
    var request = Bindery_V1_ApplyRequest()
    request.author = "bench"
    for number in 0 ..< Self.tenants {
      var document = Bindery_V1_Document()
      document.kind = "Tenant"
      document.tenant = "bench-\(number)"
      document.slug = "bench-\(number)"
      document.specJson = #"{"display_name": "Bench"}"#
      request.documents.append(document)
    }
    let response = try await admin.apply(request)
    guard response.ok else {
      throw BenchFailure("not applied: \(response.diagnostics.map(\.code))")
    }
  }

  /// - Returns: the times of those that were made, in ms.
  private func offer(
    _ count: Int,
    _ rate: Int,
    _ turn: Int,
    _ admin: Bindery_V1_Admin.Client<HTTP2ClientTransport>
  ) async throws -> [Double] {
    let interval = UInt64(1_000_000_000 / rate)
    let begun = monotonicNanoseconds() + interval
    return try await withThrowingTaskGroup(of: Double?.self) { group in
      for number in 0 ..< count {
        let due = begun + UInt64(number) * interval
        let now = monotonicNanoseconds()
        if due > now { try await Task.sleep(for: .nanoseconds(Int64(due - now))) }
        group.addTask {
          var request = Bindery_V1_SetTenantStatusRequest()
          request.tenant = "bench-\(number % Self.tenants)"
          // Each tenant in turn: paused, active, paused ...
          request.status =
            (number / Self.tenants + turn * (count / Self.tenants + 1)).isMultiple(of: 2)
            ? .paused : .active
          request.author = "bench"
          do {
            _ = try await admin.setTenantStatus(request)
          } catch is RPCError {
            return nil
          }
          return Double(monotonicNanoseconds() - due) / 1e6
        }
      }
      var times: [Double] = []
      for try await case let time? in group { times.append(time) }
      return times
    }
  }
}

extension Program {
  /// Ends a crowd, and waits until its connections are gone.
  func stopAndWait() async throws {
    signal(SIGTERM)
    try await waitUntilExit(within: .seconds(20))
  }
}
