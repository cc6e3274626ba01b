import Domain
import Foundation
import Scenario
import Testing

@Suite(
  .serialized,
  .stack(base: 8600) { stack in
    try await stack.startControl()
    try await stack.startNode(0)
    try await stack.apply(try stack.copySample(), nodes: 1)
  }
)
struct `Versions from the command line` {
  let stack: Stack

  init() throws { stack = try Stack.ofSuite() }

  private func team(_ sop: String, named file: String) throws -> URL {
    try stack.write(
      """
      kind: Team
      tenant: vakil
      slug: night-desk
      spec:
        display_name: Night desk
        members: [dr-vakil]
        sops:
          - "\(sop)"
      """,
      to: file
    )
  }

  private func apply(_ file: URL, _ options: [String] = []) async throws -> JSONValue {
    try await stack.tool().json(["apply", "-y", "-f", file.path] + options)
  }

  @Test func `history, diff and rollback tell who, what and why, and a node serves the rollback`()
    async throws
  {
    let tool = try stack.tool()
    let binding = try stack.write(
      """
      kind: Binding
      tenant: vakil
      slug: night
      spec: {human: dr-vakil, team: night-desk, agent: legal, routes: {web: night.vakil.example}}
      """,
      to: "night-binding.yaml"
    )
    _ = try await apply(try team("First.", named: "night-1.yaml"), ["--reason", "opening"])
    _ = try await apply(binding)
    let second = try await apply(
      try team("Second.", named: "night-2.yaml"),
      ["--reason", "new hours"]
    )
    #expect(second["touched_nodes"] == ["node-1"])
    #expect(second["recompiled_bindings"] == ["vakil/night"])

    let versions = try #require(
      try await tool.json(["history", "team", "vakil/night-desk"]).arrayValue
    )
    #expect(versions.map { $0["version"] } == [2, 1])
    #expect(versions.map { $0["reason"] } == ["new hours", "opening"])
    #expect(versions.allSatisfy { $0["author"] != "" && $0["deleted"] == false })
    let table = try await tool.run(["history", "team", "vakil/night-desk"])
    let lines = table.standardOutput.split(separator: "\n")
    #expect(lines.first?.hasPrefix("VERSION  REVISION  WHEN") == true && lines.count == 3)

    let diff = try await tool.run(["diff", "team", "vakil/night-desk"])
    #expect(diff.standardOutput.contains("/sops/0\n  - \"First.\"\n  + \"Second.\"\n"))
    let fields = try await tool.json(["diff", "team", "vakil/night-desk", "2", "1"])["fields"]
    #expect(fields == [["path": "/sops/0", "before": "Second.", "after": "First."]])
    #expect(
      try await tool.run(["diff", "team", "vakil/night-desk", "1", "2", "--exit-code"]).status == 2
    )
    #expect(
      try await tool.run(["diff", "team", "vakil/night-desk", "1", "1", "--exit-code"]).status == 0
    )

    let dry = try await tool.json([
      "rollback", "team", "vakil/night-desk", "--to", "1", "--dry-run",
    ])
    #expect(dry["applied"] == false)
    let back = try await tool.json(
      ["rollback", "team", "vakil/night-desk", "--to", "1", "--reason", "wrong hours", "--wait"]
    )
    #expect(back["applied"] == true)
    #expect(back["wait"]?["confirmed"]?.arrayValue?.map { $0["node"] } == ["node-1"])
    let now = try await tool.json(["get", "team", "vakil/night-desk"])
    #expect(now["version"] == 3 && now["spec"]?["sops"] == ["First."])
  }

  @Test func `a rollback that no longer composes lists why, and stores nothing`() async throws {
    let tool = try stack.tool()
    let file = try stack.write(
      """
      kind: Human
      tenant: vakil
      slug: helper
      spec: {display_name: Helper, languages: [en]}
      ---
      kind: Team
      tenant: vakil
      slug: helpers
      spec: {members: [dr-vakil]}
      ---
      kind: Binding
      tenant: vakil
      slug: helpers
      spec: {human: dr-vakil, team: helpers, agent: legal}
      """,
      to: "helpers.yaml"
    )
    _ = try await apply(file)
    let text = String(decoding: try Data(contentsOf: file), as: UTF8.self)
    _ = try await apply(
      try stack.write(
        text.replacing("[dr-vakil]", with: "[helper]").replacing(
          "human: dr-vakil",
          with: "human: helper"
        ),
        to: "helpers.yaml"
      )
    )
    let before = try await tool.json(["nodes"])["revision"]
    let refused = try await tool.run(["rollback", "team", "vakil/helpers", "--to", "1", "-y"])
    #expect(refused.status == 65)
    #expect(refused.standardError.contains("[BND_HUMAN_NOT_IN_TEAM]"))
    #expect(refused.standardError.hasSuffix("nothing was stored.\n"))
    #expect(try await tool.json(["nodes"])["revision"] == before)
    let unknown = try await tool.run(["rollback", "team", "vakil/helpers", "--to", "9"])
    #expect(unknown.status == 66 && unknown.standardError.contains("the newest is 2"))
  }

  @Test func `of concurrent appliers one wins, and each other one is told both versions`()
    async throws
  {
    let tool = try stack.tool()
    _ = try await apply(try team("Start.", named: "race.yaml"))
    let base = try await tool.json(["get", "team", "vakil/night-desk"])["version"]?.intValue ?? 0
    // All plans see the same version.
    let plan = stack.folder.appending(path: "race-plan").path
    var files: [URL] = []
    for index in 0 ..< 5 {
      let file = try team("Winner \(index).", named: "race-\(index).yaml")
      let planned = try await tool.run(["plan", "-f", file.path, "--out", "\(plan)-\(index)"])
      #expect(planned.status == 0)
      files.append(file)
    }
    let done = try await withThrowingTaskGroup(of: Completed.self) { group in
      for (index, file) in files.enumerated() {
        group.addTask {
          try await tool.run(["apply", "-y", "-f", file.path, "--plan", "\(plan)-\(index)"])
        }
      }
      return try await group.reduce(into: []) { $0.append($1) }
    }
    #expect(done.map(\.status).sorted() == [0, 75, 75, 75, 75])
    for refused in done where refused.status == 75 {
      #expect(
        refused.standardError.contains(
          "Team vakil/night-desk is at version \(base + 1), the plan was made against \(base)"
        )
      )
    }
    #expect(try await tool.json(["get", "team", "vakil/night-desk"])["version"] == .int(base + 1))
  }

  @Test func `a plan is not applied to other documents, or for another source`() async throws {
    let tool = try stack.tool()
    let file = try team("Planned.", named: "planned.yaml")
    let plan = stack.folder.appending(path: "plan.json").path
    #expect(try await tool.run(["plan", "-f", file.path, "--out", plan]).status == 0)
    let other = try await tool.run(["apply", "-f", file.path, "--plan", plan, "--source", "x"])
    #expect(other.status == 75 && other.standardError.contains("--source"))
    _ = try team("Changed.", named: "planned.yaml")
    let changed = try await tool.run(["apply", "-f", file.path, "--plan", plan])
    #expect(changed.status == 75 && changed.standardError.contains("other documents"))
    _ = try team("Planned.", named: "planned.yaml")
    #expect(try await tool.run(["apply", "-f", file.path, "--plan", plan]).status == 0)
  }

  @Test func `a revision is read back for every kind; what is not there yet or no more is told`()
    async throws
  {
    let tool = try stack.tool()
    _ = try await tool.json(["tenant", "pause", "kichcha", "--reason", "test"])
    let paused = try await tool.json(["nodes"])["revision"]?.intValue ?? 0
    _ = try await tool.json(["tenant", "resume", "kichcha"])
    var seen: [String: JSONValue] = [:]
    for kind in ["tenants", "humans", "teams", "agents", "bindings", "routes"] {
      seen[kind] = try await tool.json(["get", kind, "--tenant", "kichcha"])
    }
    let revision = try await tool.json(["nodes"])["revision"]?.intValue ?? 0
    let file = stack.layout.sample.appending(path: "kichcha/tiers.yaml")
    let text = String(decoding: try Data(contentsOf: file), as: UTF8.self)
    let changed = try stack.write(
      text.replacing("display_name: ", with: "display_name: New ")
        .replacing("127.0.0.1:7480", with: "127.0.0.1:\(stack.ports.tools)")
        + "\n---\nkind: Binding\ntenant: kichcha\nslug: extra\n"
        + "spec: {human: kichcha, team: commerce, agent: shop, routes: {web: extra.example}}\n",
      to: "kichcha.yaml"
    )
    _ = try await apply(changed)
    for (kind, wanted) in seen {
      let past = try await tool.json(
        ["get", kind, "--tenant", "kichcha", "--at-revision", String(revision)]
      )
      // When a tenant was switched is no change of what was written.
      #expect(past == wanted || kind == "tenants", "\(kind)")
      #expect(
        try await tool.json(["get", kind, "--tenant", "kichcha"]) != wanted || kind == "tenants"
      )
    }
    let then = try await tool.json(["get", "tenant", "kichcha", "--at-revision", String(paused)])
    #expect(then["status"] == "paused")
    #expect(try await tool.json(["get", "tenant", "kichcha"])["status"] == "active")
    #expect(
      try await tool.run(
        ["get", "binding", "kichcha/extra", "--at-revision", String(revision)]
      ).status == 66
    )
    let future = try await tool.run(["get", "teams", "--at-revision", "100000"])
    #expect(future.status == 66 && future.standardError.contains("UNKNOWN_REVISION"))
  }

  @Test func `retention is shown, set, tried and run, and tells what is gone`() async throws {
    let tool = try stack.tool()
    #expect(try await tool.json(["retention"])["keep_days"] == 0)
    let set = try await tool.json(
      ["retention", "set", "--days", "30", "--revisions", "1", "--reason", "policy"]
    )
    #expect(set["keep_days"] == 30 && set["reason"] == "policy")
    _ = try await stack.database().scalar(
      "set session_replication_role = replica; update commits set committed_at = committed_at - interval '40 days'"
    )
    let tried = try await tool.json(["retention", "run", "--dry-run"])
    #expect(try await tool.run(["get", "teams", "--at-revision", "1"]).status == 0)
    let run = try await tool.json(["retention", "run"])
    #expect(
      run["versions"] == tried["versions"] && run["oldest_revision"] == tried["oldest_revision"]
    )
    let gone = try await tool.run(["get", "teams", "--at-revision", "1"])
    #expect(gone.status == 66 && gone.standardError.contains("REVISION_GONE"))
    #expect(gone.standardError.contains("\(run["oldest_revision"]?.intValue ?? -1)"))
    #expect(try await tool.run(["get", "teams"]).status == 0)
    #expect(try await tool.run(["retention", "set", "--days", "-1"]).status != 0)
  }
}
