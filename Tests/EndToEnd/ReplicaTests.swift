import Domain
import Foundation
import GRPCCore
import Scenario
import Synchronization
import Testing
import Wire
import WireServices

/// Several control planes on one database.
@Suite("Replicas of the control plane", .serialized)
struct ReplicaTests {
  /// What writers were answered, by the reason that they gave.
  private final class Answers: Sendable {
    private let state = Mutex((acknowledged: [String: Int64](), asked: Set<String>()))

    func ask(_ reason: String) { state.withLock { _ = $0.asked.insert(reason) } }
    func acknowledge(_ reason: String, _ revision: Int64) {
      state.withLock { $0.acknowledged[reason] = revision }
    }

    var acknowledged: [String: Int64] { state.withLock { $0.acknowledged } }
    var asked: Set<String> { state.withLock { $0.asked } }
  }

  private struct Random: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
      state &+= 0x9e37_79b9_7f4a_7c15
      var z = state
      z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
      z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
      return z ^ (z >> 31)
    }
  }

  private static let personas = 6
  private static let short: CallOptions = {
    var options = CallOptions.defaults
    options.timeout = .seconds(5)
    return options
  }()

  /// Edits a persona again and again, each time at another replica, until told to stop. An edit whose answer
  /// did not come is not repeated: it may be stored or not.
  private func write(
    _ writer: Int,
    _ set: ReplicaSet,
    seed: UInt64,
    _ answers: Answers,
    until isOver: @escaping @Sendable () -> Bool
  ) async throws {
    var random = Random(state: seed &* 1000 &+ UInt64(writer))
    var round = 0
    while !isOver() {
      round += 1
      let (first, replica) = (round * 5, Int.random(in: 0 ..< set.count, using: &random))
      try await set.withClient(of: [replica]) { client in
        let admin = Bindery_V1_Admin.Client(wrapping: client)
        do {
          for number in first ..< first + 5 where !isOver() {
            let reason = "writer \(writer), edit \(number)"
            answers.ask(reason)
            var request = Bindery_V1_ApplyRequest()
            request.documents = [try ReplicaWorld.persona(writer, text: reason)]
            request.author = "writer"
            request.reason = reason
            let response = try await admin.apply(request, options: Self.short)
            if response.ok { answers.acknowledge(reason, response.revision) }
          }
        } catch is RPCError {
          // Nobody there, or gone meanwhile.
        }
      }
    }
  }

  private func pauseAndResume(
    _ set: ReplicaSet,
    seed: UInt64,
    _ answers: Answers,
    until isOver: @escaping @Sendable () -> Bool
  ) async throws {
    var random = Random(state: seed &+ 77)
    var number = 0
    while !isOver() {
      number += 1
      let reason = "switch \(number)"
      var request = Bindery_V1_SetTenantStatusRequest()
      request.tenant = ReplicaWorld.tenant
      request.status = number.isMultiple(of: 2) ? .active : .paused
      request.author = "operator"
      request.reason = reason
      let (message, replica) = (request, Int.random(in: 0 ..< set.count, using: &random))
      try await set.withClient(of: [replica]) { client in
        answers.ask(reason)
        do {
          let response = try await Bindery_V1_Admin.Client(wrapping: client)
            .setTenantStatus(message, options: Self.short)
          if response.changed { answers.acknowledge(reason, response.revision) }
        } catch is RPCError {
          // As above.
        }
      }
      try await Task.sleep(for: .milliseconds(Int.random(in: 20 ... 120, using: &random)))
    }
  }

  @Test(
    "many writers, watchers at all, and a kill of any at any moment: nothing is lost or twice",
    arguments: [1, 2, 3] as [UInt64]
  )
  func kills(seed: UInt64) async throws {
    try await ReplicaSet.with(3, base: 9000) { set in
      try await set.startAll()
      try await set.apply(try ReplicaWorld.whole(personas: Self.personas), at: 0)
      let answers = Answers()
      let isOver = Mutex(false)
      let watchers = (0 ..< 6).map { ReplicaWatcher("watcher-\($0)") }
      try await withThrowingTaskGroup(of: Void.self) { watching in
        for (index, watcher) in watchers.enumerated() {
          watching.addTask { try await watcher.run(set, from: index) }
        }
        try await waitUntil("all have the snapshot", within: .seconds(20)) {
          watchers.allSatisfy { $0.seen.revision > 0 }
        }
        try await withThrowingTaskGroup(of: Void.self) { writing in
          let over: @Sendable () -> Bool = { isOver.withLock { $0 } }
          for writer in 0 ..< Self.personas {
            writing.addTask {
              try await write(writer, set, seed: seed, answers, until: over)
            }
          }
          writing.addTask { try await pauseAndResume(set, seed: seed, answers, until: over) }
          try await killAndStart(set, seed: seed)
          isOver.withLock { $0 = true }
          try await writing.waitForAll()
        }
        try await expectAllThere(set, answers)
        try await expectConverged(set, watchers)
        watching.cancelAll()
        try await watching.waitForAll()
      }
      for watcher in watchers {
        let seen = watcher.seen
        #expect(seen.faults == [], "\(watcher.name)")
        #expect(seen.snapshots == 1, "\(watcher.name)")
        #expect(seen.deltas > 5, "\(watcher.name)")
      }
      #expect(watchers.reduce(0) { $0 + $1.seen.resumes } > 0)
      print(
        "seed \(seed): \(answers.asked.count) writes asked, \(answers.acknowledged.count) acknowledged, "
          + "\(watchers.reduce(0) { $0 + $1.seen.resumes }) resumes, "
          + "\(watchers.reduce(0) { $0 + $1.seen.deltas }) deltas"
      )
    }
  }

  /// Kills a replica, sometimes two, at a random moment, and starts it again a random time later.
  private func killAndStart(_ set: ReplicaSet, seed: UInt64) async throws {
    var random = Random(state: seed)
    for _ in 0 ..< 5 {
      try await Task.sleep(for: .milliseconds(Int.random(in: 50 ... 900, using: &random)))
      var killed = [Int.random(in: 0 ..< set.count, using: &random)]
      if Bool.random(using: &random) { killed.append((killed[0] + 1) % set.count) }
      for replica in killed {
        try await set.kill(set.control(replica))
        try await Task.sleep(for: .milliseconds(Int.random(in: 0 ... 300, using: &random)))
      }
      for replica in killed { try await set.start(replica) }
    }
  }

  /// What was acknowledged stands at its revision, once; what was not, once or not at all; nothing else does.
  private func expectAllThere(_ set: ReplicaSet, _ answers: Answers) async throws {
    let rows = try await set.database.rows(
      "select reason, revision from commits where author in ('writer', 'operator')"
    )
    var stored: [String: [Int64]] = [:]
    for row in rows {
      stored[row["reason"]?.stringValue ?? "", default: []].append(row["revision"]?.intValue ?? 0)
    }
    for (reason, revision) in answers.acknowledged {
      #expect(stored[reason] == [revision], "\(reason)")
    }
    #expect(stored.values.allSatisfy { $0.count == 1 })
    #expect(Set(stored.keys).isSubset(of: answers.asked))
    #expect(answers.acknowledged.count > 50)
    let line = try await set.database.rows(
      "select count(*) commits, min(revision) first, max(revision) last from commits"
    )
    #expect(line[0]["commits"] == line[0]["last"] && line[0]["first"] == 1)
  }

  /// Each of them, and a new one at each replica, holds what the database does.
  private func expectConverged(_ set: ReplicaSet, _ watchers: [ReplicaWatcher]) async throws {
    let newest = try await set.database.scalar("select revision from revision_line")
    let fresh = (0 ..< set.count).map { ReplicaWatcher("fresh-\($0)") }
    try await withThrowingTaskGroup(of: Void.self) { group in
      for (index, watcher) in fresh.enumerated() {
        group.addTask { try await watcher.run(set, from: index) }
      }
      try await waitUntil("all are at revision \(newest)", within: .seconds(30)) {
        (watchers + fresh).allSatisfy { "\($0.seen.revision)" == newest }
      }
      group.cancelAll()
      try await group.waitForAll()
    }
    let bindings = try await set.database.rows(
      "select binding_id, digest, section_digests from compiled_bindings"
    )
    let wanted = Dictionary(
      uniqueKeysWithValues: bindings.map {
        ($0["binding_id"]?.stringValue ?? "", $0["digest"]?.stringValue ?? "")
      }
    )
    let sections = Set(
      bindings.flatMap { ($0["section_digests"]?.arrayValue ?? []).compactMap(\.stringValue) }
    )
    let tenants = try await set.database.rows(
      """
      select t.id, t.status, c.revision from tenants t
      left join commits c on c.commit_id = t.switch_commit_id
      """
    )
    let status: Bindery_V1_TenantStatus =
      tenants[0]["status"]?.stringValue == "paused" ? .paused : .active
    for watcher in watchers + fresh {
      let seen = watcher.seen
      let held = Dictionary(
        uniqueKeysWithValues: seen.bindings.values.map { ($0.bindingID.uuidText, $0.digest.hex) }
      )
      #expect(held == wanted, "\(watcher.name)")
      #expect(Set(seen.sections.map(\.hex)) == sections, "\(watcher.name)")
      #expect(seen.routes.count == Self.personas, "\(watcher.name)")
      let tenant = try #require(seen.tenants.values.first)
      #expect(tenant.status == status, "\(watcher.name)")
      #expect(tenant.switchRevision == tenants[0]["revision"]?.intValue, "\(watcher.name)")
    }
  }
}
