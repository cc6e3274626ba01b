import Domain
import Foundation
import Scenario
import Testing

@Suite(.serialized, .stack(base: 8700) { try await $0.startControl() })
struct `Configuration from repositories` {
  let stack: Stack

  init() throws { stack = try Stack.ofSuite() }

  /// A tenant of its own in one file, with `humans` besides the one it needs.
  private func repository(_ tenant: String, humans: Int = 0, name: String = "Desk") throws -> URL {
    let folder = stack.folder.appending(path: "\(tenant)-repository")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    let extra = (0 ..< humans).map { index in
      "---\nkind: Human\ntenant: \(tenant)\nslug: extra-\(index)\nspec: {languages: [en]}\n"
    }
    let text = """
      kind: Tenant
      slug: \(tenant)
      spec: {display_name: \(tenant)}
      ---
      kind: Human
      tenant: \(tenant)
      slug: asha
      spec: {display_name: Asha, languages: [hi, en]}
      ---
      kind: Team
      tenant: \(tenant)
      slug: desk
      spec: {display_name: \(name), members: [asha]}
      ---
      kind: Agent
      tenant: \(tenant)
      slug: runtime
      spec: {model_routing: {default: simulated}}
      ---
      kind: Binding
      tenant: \(tenant)
      slug: main
      spec: {human: asha, team: desk, agent: runtime, routes: {web: \(tenant).example}}

      """
    try Data((text + extra.joined()).utf8).write(to: folder.appending(path: "all.yaml"))
    return folder
  }

  @Test func `a plan names objects, fields, bindings and versions, and changes nothing`()
    async throws
  {
    let tool = try stack.tool()
    let folder = try repository("planned")
    #expect(try await tool.run(["plan", "-f", folder.path, "--exit-code"]).status == 2)
    #expect(try await tool.run(["get", "tenant", "planned"]).status == 66)
    _ = try await tool.json(["apply", "-y", "-f", folder.path])
    #expect(try await tool.run(["plan", "-f", folder.path, "--exit-code"]).status == 0)
    _ = try repository("planned", name: "Counter")
    let plan = try await tool.json(["plan", "-f", folder.path])
    let change = try #require(
      plan["changes"]?.arrayValue?.first { $0["action"] == "update" }
    )
    #expect(change["from_version"] == 1 && change["to_version"] == 2)
    #expect(
      change["fields"] == [["path": "/display_name", "before": "Desk", "after": "Counter"]]
    )
    #expect(plan["recompiled_bindings"] == ["planned/main"])
    let people = try await tool.run(["plan", "-f", folder.path])
    #expect(
      people.standardOutput == """
        ~ Team planned/desk (version 1 -> 2)
            /display_name: "Desk" -> "Counter"
        Bindings: planned/main
        Plan: 0 to create, 1 to change, 4 unchanged; 1 bindings to compile.

        """
    )
  }

  @Test func `two repositories do not fight: the other one is refused, unless it takes over`()
    async throws
  {
    let tool = try stack.tool()
    let folder = try repository("owned")
    _ = try await tool.json(["apply", "-y", "-f", folder.path, "--source", "github.com/a/one"])
    let file = folder.appending(path: "all.yaml").path
    for source in [["--source", "github.com/b/two"], []] {
      _ = try repository("owned", name: "Other")
      let refused = try await tool.run(["apply", "-y", "-f", folder.path] + source)
      #expect(refused.status == 65)
      #expect(refused.standardError.contains("owned by source 'github.com/a/one'"))
      #expect(refused.standardError.contains(source.last ?? "of no source"))
      #expect(refused.standardError.contains("\(file):10: error: Team owned/desk is owned"))
    }
    #expect(try await tool.json(["get", "team", "owned/desk"])["version"] == 1)
    let taken = try await tool.json(
      ["apply", "-y", "-f", folder.path, "--source", "github.com/b/two", "--take-over"]
    )
    #expect(taken["applied"] == true)
    let team = try await tool.json(["get", "team", "owned/desk"])
    #expect(team["source"] == "github.com/b/two" && team["version"] == 2)
    // Who took what over from whom stands in the log, also of what did not change.
    for (object, action, detail) in [
      ("team/desk", "update", "version 1 to 2, source 'github.com/a/one' to 'github.com/b/two'"),
      ("human/asha", "adopt", "source 'github.com/a/one' to 'github.com/b/two'"),
      ("tenant/owned", "adopt", "source 'github.com/a/one' to 'github.com/b/two'"),
    ] {
      let log = try await tool.json(["audit", "--tenant", "owned", "--object", object]).arrayValue
      #expect(log?.first?["action"] == .string(action), "\(object)")
      #expect(log?.first?["detail"] == .string(detail), "\(object)")
    }
    let again = try await tool.run(
      ["apply", "-y", "-f", folder.path, "--source", "github.com/a/one"]
    )
    #expect(again.status == 65)
    // By hand it can be rolled back, and stays whose it is.
    _ = try await tool.json(["rollback", "team", "owned/desk", "--to", "1"])
    #expect(try await tool.json(["get", "team", "owned/desk"])["source"] == "github.com/b/two")
  }

  @Test func `pruning shows what goes, keeps others' objects, and asks before much`() async throws {
    let tool = try stack.tool()
    let folder = try repository("pruned", humans: 14)
    let source = ["-f", folder.path, "--source", "repo"]
    _ = try await tool.json(["apply", "-y"] + source)
    let theirs = try stack.write(
      "kind: Human\ntenant: pruned\nslug: theirs\nspec: {languages: [en]}\n",
      to: "theirs.yaml"
    )
    _ = try await tool.json(["apply", "-y", "-f", theirs.path, "--source", "other"])
    _ = try repository("pruned", humans: 3)
    #expect(try await tool.run(["apply", "--prune", "-f", folder.path]).status == 64)
    let before = try await tool.json(["get", "humans", "--tenant", "pruned"])
    let refused = try await tool.run(["apply", "--prune"] + source)
    #expect(refused.status == 65)
    #expect(refused.standardError.contains("11 of the 19 objects of source 'repo'"))
    #expect(refused.standardOutput.contains("- Human pruned/extra-13 (version 1, deleted)"))
    #expect(try await tool.json(["get", "humans", "--tenant", "pruned"]) == before)
    _ = try await tool.json(["apply", "--prune", "--yes"] + source)
    let left = try await tool.json(["get", "humans", "--tenant", "pruned"]).arrayValue ?? []
    #expect(left.map { $0["slug"] } == ["asha", "extra-0", "extra-1", "extra-2", "theirs"])
    // What still is needed can't go.
    let text = "kind: Tenant\nslug: pruned\nspec: {display_name: pruned}\n"
    try Data(text.utf8).write(to: folder.appending(path: "all.yaml"))
    _ = try await tool.json(["apply", "--prune", "--yes"] + source)
    #expect(try await tool.json(["get", "bindings", "--tenant", "pruned"]) == [])
    #expect(try await tool.json(["get", "routes", "--tenant", "pruned"]) == [])
    _ = try repository("pruned")
    _ = try await tool.json(["apply", "-y"] + source)
    #expect(try await tool.json(["get", "binding", "pruned/main"])["version"] == 3)
  }

  @Test func `an export applies as no change, whole, of a tenant, and of the past`() async throws {
    let tool = try stack.tool()
    _ = try await tool.json(["apply", "-y", "-f", try stack.copySample().path])
    let folder = stack.folder.appending(path: "exported").path
    #expect(try await tool.run(["export", "--to", folder]).status == 0)
    #expect(try await tool.run(["plan", "-f", folder, "--exit-code"]).status == 0)
    #expect(try await tool.run(["validate", "-f", folder]).status == 0)
    let revision = try await tool.json(["export"])["revision"]?.intValue ?? 0
    _ = try await tool.json(["apply", "-y", "-f", try repository("later").path])
    let now = try await tool.run(["export"]).standardOutput
    let past = try await tool.run(["export", "--at-revision", String(revision)]).standardOutput
    #expect(now.contains("slug: later") && !past.contains("slug: later"))
    let one = try stack.write(
      try await tool.run(["export", "--tenant", "medicly"]).standardOutput,
      to: "medicly.yaml"
    )
    let plan = try await tool.json(["plan", "-f", one.path])
    #expect(plan["changes"]?.arrayValue?.count == 5)
    #expect(plan["changes"]?.arrayValue?.allSatisfy { $0["action"] == "unchanged" } == true)
  }

  @Test func `an export leaves no second file of an object, and a plan pins what it takes over`()
    async throws
  {
    let tool = try stack.tool()
    let folder = try repository("single")
    _ = try await tool.json(["apply", "-y", "-f", folder.path, "--source", "one"])
    let exported = stack.folder.appending(path: "single-export")
    let arguments = ["export", "--to", exported.path, "--tenant", "single"]
    #expect(try await tool.run(arguments).status == 0)
    let old = exported.appending(path: "single/humans/asha.json")
    try Data("{}".utf8).write(to: old)
    #expect(try await tool.run(arguments).status == 0)
    #expect(!FileManager.default.fileExists(atPath: old.path))

    let plan = stack.folder.appending(path: "pinned.json").path
    let source = ["-f", folder.path, "--source", "one"]
    #expect(try await tool.run(["plan"] + source + ["--out", plan]).status == 0)
    let other = try await tool.run(["apply", "-y"] + source + ["--plan", plan, "--take-over"])
    #expect(other.status == 75)
    #expect(other.standardError.contains("another --source, --prune or --take-over"))
    #expect(try await tool.run(["apply", "-y"] + source + ["--plan", plan]).status == 0)
  }

  @Test func `a person is erased only with a reason, on purpose, and where there is one`()
    async throws
  {
    let tool = try stack.tool()
    _ = try await tool.json(["apply", "-y", "-f", try repository("private").path])
    let person = ["private", "--phone", "+91 98111-22233"]
    #expect(try await tool.run(["user", "erase"] + person).status == 64)
    #expect(try await tool.run(["user", "erase"] + person + ["--reason", "asked"]).status == 64)
    let named = try await tool.run(
      ["user", "erase"] + person + ["--reason", "9198111 22233 asked", "--yes"]
    )
    #expect(named.status == 65)
    let nobody = try await tool.run(["user", "erase"] + person + ["--reason", "asked", "--yes"])
    #expect(nobody.status == 66)
    #expect(!nobody.standardError.contains("22233"))
    let file = stack.folder.appending(path: "nobody.json").path
    #expect(
      try await tool.run(["user", "export"] + person + ["--output-file", file]).status == 66
    )
    #expect(!FileManager.default.fileExists(atPath: file))
    #expect(!FileManager.default.fileExists(atPath: file + ".partial"))
    #expect(try await tool.json(["user", "receipts", "private"]) == [])
    #expect(try await tool.run(["user", "receipts", "no-such-tenant"]).status == 66)
  }

  @Test func `files are validated without a control plane`() async throws {
    let offline = CommandLineTool(
      path: try stack.layout.program("bindery"),
      control: "127.0.0.1:9"
    )
    let sample = try await offline.run(["validate", "-f", stack.layout.sample.path])
    #expect(sample.status == 0 && sample.standardOutput == "26 documents are valid, 0 warnings.\n")
    let fixtures = stack.layout.repository.appending(path: "Tests/Fixtures")
    let broken = try await offline.run(
      ["validate", "-f", fixtures.appending(path: "refused/two-faults.yaml").path, "-o", "json"]
    )
    #expect(broken.status == 65)
    let answer = try JSONDecoder().decode(JSONValue.self, from: Data(broken.standardOutput.utf8))
    #expect(answer["ok"] == false)
    #expect(answer["diagnostics"]?.arrayValue?.isEmpty == false)
    #expect(try await offline.run(["validate", "-f", "/nowhere"]).status == 65)
    #expect(try await offline.run(["plan", "-f", stack.layout.sample.path]).status == 69)
  }

  @Test(arguments: [
    "lock table humans in exclusive mode", "lock table tier_config_versions in exclusive mode",
    "lock table compiled_sections in exclusive mode", "lock table changelog in exclusive mode",
    // Waited for by the last statement of a publication: everything else is written by then.
    "select revision from revision_line for update",
  ])
  func `killed in the middle of an apply, nothing of it is stored`(lock: String) async throws {
    let tool = try stack.tool()
    let tenant = "killed-\(UUID().uuidString.prefix(8).lowercased())"
    let folder = try repository(tenant, humans: 40)
    let before = try await tool.json(["nodes"])["revision"]?.intValue ?? 0
    let held = try stack.database().hold(lock, log: stack.folder.appending(path: "\(tenant).log"))
    try await stack.waitForRow(
      "the lock is held",
      "select 1 from pg_stat_activity where query like 'select pg_sleep(600) as held%'"
    )
    async let applying = tool.run(["apply", "-y", "-f", folder.path, "--timeout", "20"])
    try await stack.waitForRow(
      "the publication waits for the lock",
      """
      select 1 from pg_stat_activity
      where wait_event_type = 'Lock' and application_name = 'bindery-control'
      """
    )
    try await stack.killControl()
    try await stack.database().release(held)
    #expect(try await applying.status != 0)
    try await stack.startControl()
    #expect(try await tool.json(["nodes"])["revision"] == .int(before))
    #expect(try await tool.run(["get", "tenant", tenant]).status == 66)
    #expect(
      try await stack.database().count("select 1 from tenants where slug = '\(tenant)'") == 0
    )
    for table in ["tier_config_versions", "object_versions", "changelog"] {
      #expect(
        try await stack.database().count(
          """
          select 1 from \(table) v
          where not exists (select from commits c where c.commit_id = v.commit_id)
          """
        ) == 0
      )
    }
    // The same again goes through, whole and in one revision.
    let applied = try await tool.json(["apply", "-y", "-f", folder.path])
    #expect(applied["revision"] == .int(before + 1))
    #expect(try await tool.json(["get", "humans", "--tenant", tenant]).arrayValue?.count == 41)
  }
}
