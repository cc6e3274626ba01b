internal import ArgumentParser
internal import AsyncHTTPClient
internal import Foundation
internal import NIOCore
internal import Scenario

struct TurnBench: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "turn",
    abstract: "Turns/s and added latency of a node on an instant model.",
    discussion: """
      Visitors of the web chat talk to a real node, with the real control plane and PostgreSQL behind \
      it on the same machine; beside it the same number of plain HTTP calls goes straight to the same \
      model. At the end every turn must stand in the database exactly once.
      """
  )

  @OptionGroup var place: BenchPlace
  @Option(help: "Visitors at once.") var visitors: [Int] = [1, 16, 64]
  @Option(help: "Turns for each number of visitors.") var turns = 3000
  @Option(help: "Turns of one visitor before the next comes: the history that a prompt holds.")
  var turnsPerVisitor = 8

  func run() async throws {
    try await place.withFolder { folder in
      var programs: [Program] = []
      do {
        try await measure(folder, &programs)
      } catch {
        for program in programs.reversed() { await program.stop() }
        throw error
      }
      for program in programs.reversed() { await program.stop() }
    }
  }

  private func measure(_ folder: URL, _ programs: inout [Program]) async throws {
    let layout = try place.layout()
    let (model, control, node) = (7940, 7942, 7946)
    programs.append(
      try await place.start(
        "bindery-bench",
        ["model", "--port", "\(model)"],
        as: "model",
        in: folder
      )
    )
    programs.append(
      try await place.start(
        "bindery-control",
        [
          "--grpc", "127.0.0.1:\(control)", "--http", "127.0.0.1:\(control + 1)", "--data-dir",
          folder.appending(path: "control").path, "--postgres-binaries", layout.postgres.path,
        ],
        as: "bindery-control",
        in: folder
      )
    )
    try writeKey(folder)
    programs.append(
      try await place.start(
        "bindery-node",
        [
          "--node-id", "bench", "--control", "127.0.0.1:\(control)", "--http", "127.0.0.1:\(node)",
          "--data-dir", folder.appending(path: "node").path, "--secrets-dir",
          folder.appending(path: "secrets").path, "--anthropic-base-url",
          "http://127.0.0.1:\(model)", "--visitor-messages-per-minute", "1000000",
        ],
        as: "bindery-node",
        in: folder
      )
    )
    try await place.apply(control: control)
    let edge = "http://127.0.0.1:\(node)"
    try await waitUntil("the node serves the binding", within: .seconds(15)) {
      try await WebVisitor(host: "bench.example").say("hello", to: edge).ended == "done"
    }
    print(place.machine)
    var table = TextTable([
      "visitors at once", "calls/s", "p50", "p99", "turns/s", "p50", "p99", "first text p50",
      "added p50", "turns per call",
    ])
    var said = 1
    for count in visitors {
      let plain = try await crowd(count) { try await Self.call(model: model, times: $0) }
      let whole = try await crowd(count) { try await Self.talk(to: edge, times: $0) }
      said += turns
      table.add([
        "\(count)", decimals(plain.rate, 0), decimals(plain.all.quantile(0.5), 2),
        decimals(plain.all.quantile(0.99), 2), decimals(whole.rate, 0),
        decimals(whole.all.quantile(0.5), 2), decimals(whole.all.quantile(0.99), 2),
        decimals(whole.first.quantile(0.5), 2),
        decimals(whole.all.quantile(0.5) - plain.all.quantile(0.5), 2),
        decimals(whole.rate / plain.rate, 3),
      ])
    }
    print(table.text)
    print("(ms; \(turns) turns each, a new visitor after \(turnsPerVisitor))")
    let stored = try await rows(of: said, folder, layout)
    print("stored: \(stored)")
  }

  /// Every turn once, as soon as the node has sent its records.
  private func rows(of turns: Int, _ folder: URL, _ layout: Layout) async throws -> String {
    let path = folder.appending(path: "control/postgres.conninfo")
    let conninfo = String(decoding: try Data(contentsOf: path), as: UTF8.self)
    let database = Database(
      psql: layout.postgres.appending(path: "psql").path,
      conninfo: conninfo.trimmingCharacters(in: .whitespacesAndNewlines)
    )
    let start = ContinuousClock.now
    let inbound = "select 1 from messages where direction = 'inbound'"
    try await waitUntil("\(turns) turns are stored", within: .seconds(120)) {
      try await database.count(inbound) >= turns
    }
    let late = ContinuousClock.now - start
    let counts = [
      try await database.count(inbound), try await database.count("select 1 from llm_calls"),
    ]
    guard counts == [turns, turns] else {
      throw BenchFailure("\(turns) turns, but \(counts[0]) messages and \(counts[1]) model calls")
    }
    return "\(turns) turns, \(turns) messages, \(turns) model calls, "
      + "\(decimals(late / .milliseconds(1), 0)) ms after the last reply"
  }

  private func writeKey(_ folder: URL) throws {
    let place = folder.appending(path: "secrets/bench")
    try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
    let file = place.appending(path: "anthropic_api_key")
    try Data("bench".utf8).write(to: file)
    try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: file.path)
  }

  // MARK: - Crowds

  private struct Measured: Sendable {
    var all = Times()
    var first = Times()
    var rate = 0.0
  }

  /// All turns by `count` visitors at once.
  private func crowd(
    _ count: Int,
    _ visit: @escaping @Sendable (Int) async throws -> [(first: Double, all: Double)]
  ) async throws -> Measured {
    var measured = Measured()
    var left = turns
    let start = ContinuousClock.now
    try await withThrowingTaskGroup(of: [(first: Double, all: Double)].self) { group in
      func next() {
        guard left > 0 else { return }
        let share = min(left, turnsPerVisitor)
        left -= share
        group.addTask { try await visit(share) }
      }
      for _ in 0 ..< count { next() }
      for try await times in group {
        for time in times {
          measured.first.add(milliseconds: time.first)
          measured.all.add(milliseconds: time.all)
        }
        next()
      }
    }
    measured.rate = Double(turns) / ((ContinuousClock.now - start) / .seconds(1))
    return measured
  }

  private static func talk(
    to edge: String,
    times: Int
  ) async throws -> [(first: Double, all: Double)] {
    let visitor = WebVisitor(host: "bench.example")
    var result: [(first: Double, all: Double)] = []
    for number in 0 ..< times {
      let reply = try await visitor.say("Question \(number), please.", to: edge)
      guard reply.ended == "done", reply.text.hasSuffix("no time at all.") else {
        throw BenchFailure("the node answered \(reply.status) \(reply.ended) \(reply.end)")
      }
      result.append(
        ((reply.firstPieceAfter ?? reply.took) / .milliseconds(1), reply.took / .milliseconds(1))
      )
    }
    return result
  }

  private static func call(
    model: Int,
    times: Int
  ) async throws -> [(first: Double, all: Double)] {
    let body = Data(#"{"model":"claude-haiku-5-5","max_tokens":512,"stream":true}"#.utf8)
    var result: [(first: Double, all: Double)] = []
    for _ in 0 ..< times {
      let start = ContinuousClock.now
      let answer = try await httpCall("POST", "http://127.0.0.1:\(model)/v1/messages", body: body)
      guard answer.status == 200 else { throw BenchFailure("the model answered \(answer.status)") }
      let took = (ContinuousClock.now - start) / .milliseconds(1)
      result.append((took, took))
    }
    return result
  }
}
