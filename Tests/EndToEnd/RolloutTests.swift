import Domain
import Foundation
import Scenario
import Testing

@Suite(
  .serialized,
  .stack(base: 8900) { stack in
    try await stack.start()
    try await stack.apply(try stack.copySample(), nodes: 2)
    // Another place than before: they take everything anew.
    for (index, label) in ["canary=yes", "canary=no"].enumerated() {
      await stack.stop("node-\(index + 1)")
      try await stack.startNode(index, ["--label", label])
    }
  }
)
struct `Rollouts from the command line` {
  let stack: Stack
  private let tenant = "sahayak"

  init() throws { stack = try Stack.ofSuite() }

  /// The persona of sahayak in other words.
  private func persona(_ register: String) async throws -> URL {
    let found = try await stack.tool().json(["get", "human", "sahayak/asha"])
    guard case .object(var spec) = found["spec"] ?? .null else {
      throw ScenarioFailure("no persona: \(found)")
    }
    spec["cultural_register"] = .string(register)
    let document: JSONValue = [
      "kind": "Human", "tenant": "sahayak", "slug": "asha", "spec": .object(spec),
    ]
    let text = String(decoding: try JSONEncoder().encode(document), as: UTF8.self)
    return try stack.write(text, to: "asha-\(register).yaml")
  }

  private func create(_ register: String, _ options: [String]) async throws -> JSONValue {
    let file = try await persona(register)
    let made = try await stack.tool().json(
      ["rollout", "create", "-y", "-f", file.path, "--name", register] + options
    )
    return try #require(made["rollout"])
  }

  private func status(_ name: String) async throws -> JSONValue {
    let done = try await stack.tool().run([
      "rollout", "status", "sahayak/\(name)", "--output", "json",
    ])
    return try JSONDecoder().decode(JSONValue.self, from: Data(done.standardOutput.utf8))
  }

  /// Waits until a state of it is as wanted, and returns that.
  private func wait(
    _ what: String,
    for name: String,
    _ isIt: (JSONValue) -> Bool
  ) async throws -> JSONValue {
    var last = JSONValue.null
    do {
      try await waitUntil(what, within: .seconds(40)) {
        last = try await status(name)
        return isIt(last)
      }
    } catch {
      Issue.record("\(last)")
      throw error
    }
    return last
  }

  /// Waits until all nodes that the step is for have confirmed it.
  private func confirmed(_ name: String, by nodes: [String]) async throws {
    _ = try await wait("\(nodes) have the step of \(name)", for: name) { now in
      let confirmed = now["nodes"]?.arrayValue?.filter { $0["confirmed"] == true } ?? []
      return Set(confirmed.compactMap { $0["node"]?.stringValue }) == Set(nodes)
    }
  }

  /// Each person writes once, to one of the nodes; returns the digest that each was answered on.
  private func write(
    _ people: [String],
    to edge: (Int) -> String
  ) async throws -> [String: String] {
    let round = UUID().uuidString
    for (index, phone) in people.enumerated() {
      let delivery = try WhatsAppDelivery(
        text: "namaste",
        from: phone,
        to: stack.account(of: tenant),
        id: "wamid.\(round).\(phone)"
      )
      try require(try await delivery.post(to: edge(index)).status == 200, "not taken")
    }
    let query = """
      select s.external_id as phone, t.binding_digest as digest
      from messages m join turns t on t.turn_id = m.turn_id
        join sessions s on s.id = m.session_id
      where m.provider_message_id like 'wamid.\(round).%'
      """
    var found: [String: String] = [:]
    try await waitUntil("all \(people.count) are answered", within: .seconds(60)) {
      for row in try await stack.database().rows(query) {
        if let phone = row["phone"]?.stringValue, let digest = row["digest"]?.stringValue {
          found[phone] = digest
        }
      }
      return found.count == people.count
    }
    return found
  }

  private func bucket(_ phone: String, _ rollout: JSONValue) async throws -> Int {
    let id = try #require(rollout["id"]?.stringValue.flatMap { RolloutID($0) })
    let rows = try await stack.database().rows("select id from tenants where slug = 'sahayak'")
    let tenant = try #require(rows.first?["id"]?.stringValue.flatMap { TenantID($0) })
    return Cohort.bucket(of: phone, on: "whatsapp", tenant: tenant, in: id)
  }

  private func people(_ count: Int, _ prefix: String) -> [String] {
    (0 ..< count).map { "91\(prefix)\(10_000 + $0)" }
  }

  @Test func `each person gets the arm that identity says, on every node, and keeps it`()
    async throws
  {
    let rollout = try await create("sticky", ["--step", "40% for ever", "--step", "80% for ever"])
    let arms = try #require(rollout["bindings"]?.arrayValue?.first)
    let (old, new) = (arms["baseline"]?.stringValue, arms["candidate"]?.stringValue)
    try await confirmed("sticky", by: ["node-1", "node-2"])
    let crowd = people(24, "70")
    let first = try await write(crowd) { stack.edges[$0 % 2] }
    for phone in crowd {
      let bucket = try await bucket(phone, rollout)
      #expect(first[phone] == (bucket < 4_000 ? new : old), "\(phone) in bucket \(bucket)")
    }
    #expect(Set(first.values).count == 2)
    // Each at the other node.
    #expect(try await write(crowd) { stack.edges[($0 + 1) % 2] } == first)
    let promoted = try await stack.tool().json(["rollout", "promote", "sahayak/sticky"])
    #expect(promoted["step"] == 2 && promoted["state"] == "running")
    try await confirmed("sticky", by: ["node-1", "node-2"])
    let second = try await write(crowd) { stack.edges[$0 % 2] }
    for phone in crowd {
      let bucket = try await bucket(phone, rollout)
      #expect(second[phone] == (bucket < 8_000 ? new : old), "\(phone) in bucket \(bucket)")
    }
    // One node gone and another one started anew: the same arms.
    await stack.stop("node-1")
    #expect(try await write(crowd) { _ in stack.edges[1] } == second)
    try await stack.startNode(0, ["--label", "canary=yes"])
    #expect(try await write(crowd) { _ in stack.edges[0] } == second)
    // While it lasts the tenant is paused and resumed as ever.
    let tool = try stack.tool()
    #expect(try await tool.run(["tenant", "pause", "sahayak", "--wait"]).status == 0)
    #expect(try await tool.run(["tenant", "resume", "sahayak", "--wait"]).status == 0)
    #expect(try await write(crowd) { stack.edges[$0 % 2] } == second)
    // Taken back: nobody has it any more.
    let aborted = try await tool.json([
      "rollout", "abort", "sahayak/sticky", "--reason", "complaints",
    ])
    #expect(aborted["state"] == "aborted" && aborted["end_message"] == "complaints")
    try await waitForRevision(aborted)
    #expect(Set(try await write(crowd) { stack.edges[$0 % 2] }.values) == [try #require(old)])
    let ended = try await tool.run(["rollout", "status", "sahayak/sticky"])
    #expect(ended.status == 4 && ended.standardOutput.contains("was aborted"))
    let list = try await tool.run(["rollout", "list", "--tenant", "sahayak"])
    #expect(list.standardOutput.contains("sahayak/sticky") && list.status == 0)
  }

  private func waitForRevision(_ rollout: JSONValue) async throws {
    try await waitUntil("the nodes have the revision", within: .seconds(20)) {
      let nodes = try await stack.tool().json(["nodes"])["nodes"]?.arrayValue ?? []
      let wanted = rollout["revision"]?.intValue ?? .max
      return nodes.count { ($0["revision"]?.intValue ?? 0) >= wanted } == 2
    }
  }

  @Test func `a node that refuses it takes it back, and no other node ever got it`() async throws {
    let tool = try stack.tool()
    // A step for nobody, so that it can be poisoned before a node has it.
    let rollout = try await create(
      "poison",
      [
        "--step", "50% for ever in nowhere where canary=yes",
        "--step", "50% for ever in nowhere,local where canary=yes",
      ]
    )
    #expect(rollout["nodes"] == [])
    let digest = try #require(rollout["bindings"]?.arrayValue?.first?["candidate"]?.stringValue)
    _ = try await stack.database().scalar(
      """
      update rollout_candidates set content = replace(content, '"human_version"', '"renamed"')
      where active
      """
    )
    _ = try await tool.json(["rollout", "promote", "sahayak/poison"])
    let ended = try await wait("it is taken back", for: "poison") { $0["state"] == "rolled_back" }
    #expect(ended["end_code"] == "NODE_REJECTED")
    #expect(ended["end_message"]?.stringValue?.contains("BAD_DIGEST") == true)
    #expect(ended["end_message"]?.stringValue?.hasPrefix("node node-1 refused it") == true)
    #expect(ended["nodes"]?.arrayValue?.map { $0["node"] } == ["node-1"])
    let status = try await tool.run(["rollout", "status", "sahayak/poison"])
    #expect(status.status == 4 && status.standardOutput.contains("NODE_REJECTED"))
    try await waitForRevision(ended)
    // Nobody was ever answered on it, and everybody is answered.
    let answers = try await write(people(6, "71")) { stack.edges[$0 % 2] }
    #expect(!answers.values.contains(digest) && answers.count == 6)
  }

  @Test func `only the nodes of the step hold it`() async throws {
    let rollout = try await create(
      "canary",
      ["--step", "100% for ever where canary=yes", "--step", "100%"]
    )
    let arms = try #require(rollout["bindings"]?.arrayValue?.first)
    try await confirmed("canary", by: ["node-1"])
    let crowd = people(4, "72")
    let inside = try await write(crowd) { _ in stack.edges[0] }
    #expect(Set(inside.values) == [try #require(arms["candidate"]?.stringValue)])
    let outside = try await write(crowd) { _ in stack.edges[1] }
    #expect(Set(outside.values) == [try #require(arms["baseline"]?.stringValue)])
    _ = try await stack.tool().json(["rollout", "promote", "sahayak/canary"])
    let watched = try await stack.tool().run(["rollout", "watch", "sahayak/canary"])
    #expect(watched.status == 0 && watched.standardOutput.contains("is promoted"))
    try await waitForRevision(try await status("canary"))
    let all = try await write(crowd) { stack.edges[$0 % 2] }
    #expect(Set(all.values) == [try #require(arms["candidate"]?.stringValue)])
  }

  @Test func `a kill of the control plane in the middle of a hold ends neither hold nor rollout`()
    async throws
  {
    _ = try await create("killed", ["--step", "10% for 6s", "--step", "50% for 1s"])
    try await confirmed("killed", by: ["node-1", "node-2"])
    try await stack.killControl()
    try await stack.startControl()
    let now = try await status("killed")
    #expect(now["state"] == "running")
    let ended = try await wait("it is promoted", for: "killed") { $0["state"] == "promoted" }
    #expect(ended["step"] == 2)
    // By the database's clock both holds were kept, and each step was taken once.
    let rows = try await stack.database().rows(
      """
      select extract(epoch from ended_at - created_at) >= 7 as held, transitions
      from rollouts where name = 'killed'
      """
    )
    #expect(rows.first?["held"] == true && rows.first?["transitions"] == 2)
  }

  @Test func `a gate over the ledger takes back what is worse`() async throws {
    // What everybody writes is blocked by the candidate.
    let file = try await persona("gated")
    var text = String(decoding: try Data(contentsOf: file), as: UTF8.self)
    text = text.replacing(
      "\"guardrails\":[",
      with: """
        "guardrails":[{"rule_id":"sahayak.all","kind":"keyword","stages":["input"],\
        "severity":"block","params":{"words":["namaste"]},"message":{"en":"No.","hi":"नहीं।"}},
        """
    )
    let gated = try stack.write(text, to: "gated.yaml")
    let strategy = try stack.write(
      """
      steps:
        - {percent: 50, hold: 1s}
        - {percent: 100, hold: 1s}
      gates: {min_turns: 3, blocks: 10%}
      """,
      to: "gated-strategy.yaml"
    )
    let made = try await stack.tool().json([
      "rollout", "create", "-y", "-f", gated.path, "--name", "gated", "--strategy", strategy.path,
    ])
    #expect(made["rollout"]?["gates"]?["min_turns"] == 3)
    try await confirmed("gated", by: ["node-1", "node-2"])
    _ = try await write(people(16, "73")) { stack.edges[$0 % 2] }
    let ended = try await wait("it is taken back", for: "gated") { $0["state"] == "rolled_back" }
    #expect(ended["end_code"] == "GATE_FAILED")
    #expect(ended["end_message"]?.stringValue?.hasPrefix("blocks 100.00%") == true)
    let blocks = ended["gates"]?["results"]?.arrayValue?.first
    #expect(blocks?["gate"] == "blocks" && blocks?["passed"] == false)
  }

  @Test func `what is wrong is told with what to do`() async throws {
    let tool = try stack.tool()
    let file = try await persona("wrong")
    for (options, status, text) in [
      (["--step", "ten"], 65, "must begin with a part"),
      (["--step", "50% for 1m", "--step", "20%"], 65, "step 2 is for fewer people"),
      (["--step", "50% for 1m", "--step", "100% in a"], 65, "step 2 leaves out nodes"),
      ([], 64, "--strategy FILE"), (["--step", "1%", "--name", "No!"], 65, "ROLLOUT_NAME"),
    ] as [([String], Int32, String)] {
      let done = try await tool.run(["rollout", "create", "-f", file.path] + options)
      #expect(done.status == status, "\(options): \(done.standardError)")
      #expect(done.standardError.contains(text), "\(options): \(done.standardError)")
    }
    let unknown = try await tool.run(["rollout", "status", "sahayak/none"])
    #expect(unknown.status == 66 && unknown.standardError.contains("no rollout sahayak/none"))
    let odd = try await tool.run(["rollout", "abort", "none"])
    #expect(odd.status == 64 && odd.standardError.contains("TENANT/NAME"))
    let strategy = try stack.write("steps:\n  - {percent: 10, hod: 5m}\n", to: "odd.yaml")
    let typo = try await tool.run([
      "rollout", "create", "-f", file.path, "--strategy", strategy.path,
    ])
    #expect(typo.status == 65 && typo.standardError.contains("odd.yaml:2: 'hod' is not known"))
    #expect(typo.standardError.contains("did you mean 'hold'?"))
  }
}
