import Domain
import Foundation
import Scenario
import Testing

@Suite(
  .serialized,
  .stack(
    base: 8400,
    controlArguments: { folder in
      ["--access", "tokens", "--bootstrap-token-file", folder.appending(path: "admin.token").path]
    }
  ) { stack in
    try await stack.startControl()
    let sample = try stack.copySample()
    let applied = try await stack.tool(token: stack.adminToken()).json([
      "apply", "-y", "-f", sample.path, "--reason", "to begin",
    ])
    try require(applied["applied"] == true, "\(applied)")
  }
)
struct `The audit log, by its command` {
  private let stack: Stack
  private let admin: String

  init() throws {
    stack = try Stack.ofSuite()
    admin = try stack.adminToken()
  }

  private func audit(_ arguments: [String], as token: String? = nil) async throws -> [JSONValue] {
    try await stack.tool(token: token ?? admin).json(["audit"] + arguments).arrayValue ?? []
  }

  @Test func `tells who changed what, when, why and from where, and finds it by each of these`()
    async throws
  {
    let author = try await stack.makeToken([
      "--role", "author", "--tenant", "medicly", "--name", "Medicly's CI",
    ])
    let file = try stack.write(
      "{ kind: Human, tenant: medicly, slug: nurse, spec: { display_name: N, languages: [en] } }",
      to: "nurse.yaml"
    )
    let applied = try await stack.tool(token: author.text).json([
      "apply", "-y", "-f", file.path, "--reason", "night shift",
    ])
    let entry = try #require(try await audit(["--object", "human/nurse"]).first)
    #expect(entry["tenant"] == "medicly")
    #expect(entry["actor"]?.stringValue == "Medicly's CI (token \(author.id))")
    #expect(entry["actor_id"]?.stringValue == author.id)
    #expect(entry["role"] == "author")
    #expect(entry["reason"] == "night shift")
    #expect(entry["action"] == "create")
    #expect(entry["revision"] == applied["revision"])
    #expect(entry["peer"]?.stringValue?.hasPrefix("ipv4:127.0.0.1:") == true)
    #expect(entry["refused"] == false)

    for filter in [
      ["--actor", author.id], ["--actor", "Medicly's CI (token \(author.id))"],
      ["--tenant", "medicly", "--since", "10m", "--object", "human/nurse"],
    ] {
      #expect(try await audit(filter) == [entry], "\(filter)")
    }
    for filter in [
      ["--tenant", "vakil", "--actor", author.id], ["--object", "team/nurse"],
      ["--object", "human/nurse", "--until", "10m"], ["--actor", "nobody"],
      ["--object", "human/nurse", "--refused"], ["--platform", "--actor", author.id],
    ] {
      #expect(try await audit(filter).isEmpty, "\(filter)")
    }
    // All of a kind, over pages.
    let bindings = try await audit(["--object", "binding", "--limit", "1000"])
    #expect(bindings.count >= 5)
    #expect(bindings.allSatisfy { $0["reason"] == "to begin" })
    let some = try await audit(["--object", "binding", "--limit", "2"])
    #expect(some == Array(bindings.prefix(2)))
    let table = try await stack.tool(token: admin).run(["audit", "--object", "human/nurse"])
    let lines = table.standardOutput.split(separator: "\n")
    #expect(lines.count == 2)
    #expect(lines.first?.hasPrefix("TIME") == true)
    for word in ["medicly", "Medicly's CI", "create", "Human nurse", "night shift", "127.0.0.1"] {
      #expect(lines.last?.contains(word) == true, "\(word)")
    }
    let wrong = try await stack.tool(token: admin).run(["audit", "--object", "planet/mars"])
    #expect(wrong.status == 64)
  }

  @Test func `shows a tenant its own, and the platform's to the platform's viewers only`()
    async throws
  {
    let tenants = try await stack.makeToken(["--role", "viewer", "--tenant", "vakil"])
    let platforms = try await stack.makeToken(["--role", "viewer", "--platform"])
    let own = try await audit(["--limit", "1000"], as: tenants.text)
    #expect(!own.isEmpty)
    #expect(own.allSatisfy { $0["tenant"] == "vakil" })
    for arguments in [["--platform"], ["--tenant", "medicly"], ["--tenant", "no-such-tenant"]] {
      let refused = try await stack.tool(token: tenants.text).run(["audit"] + arguments)
      #expect(refused.status == 77, "\(arguments): \(refused.standardError)")
    }
    let all = try await audit(["--limit", "1000"], as: platforms.text)
    #expect(Set(all.compactMap { $0["tenant"]?.stringValue }).count == 6)
    let platform = try await audit(["--platform"], as: platforms.text)
    #expect(platform.contains { $0["actor"] == "bindery-control" && $0["action"] == "create" })
    #expect(platform.contains { $0["object"]?.stringValue == platforms.id })
    #expect(platform.allSatisfy { $0["tenant"] == "" })
  }

  @Test func `tells of what known callers were refused, in their own tenant's log`() async throws {
    let viewer = try await stack.makeToken(["--role", "viewer", "--tenant", "kichcha"])
    let refused = try await stack.tool(token: viewer.text).run(["tenant", "pause", "vakil"])
    #expect(refused.status == 77)
    let stack = stack
    try await waitUntil("the refusal is told of", within: .seconds(5)) {
      try await stack.tool(token: viewer.text).json(["audit", "--refused"]).arrayValue?.count == 1
    }
    let entry = try #require(try await audit(["--refused"], as: viewer.text).first)
    #expect(entry["action"] == "SetTenantStatus")
    #expect(entry["actor_id"]?.stringValue == viewer.id)
    #expect(entry["detail"]?.stringValue?.contains("needs a token of role operator") == true)
    let others = try await stack.makeToken(["--role", "viewer", "--tenant", "vakil"])
    #expect(
      try await audit(["--actor", viewer.id], as: others.text).isEmpty
    )
  }

  @Test func `whoever renews or ends its own token gets the answer`() async throws {
    let own = try await stack.makeToken(["--role", "admin", "--tenant", "sahayak"])
    var text = own.text
    for _ in 0 ..< 3 {
      let renewed = try await stack.tool(token: text).json(["token", "rotate", own.id])
      #expect(try await stack.tool(token: text).run(["nodes"]).status == 77)
      text = try #require(renewed["secret"]?.stringValue)
    }
    let ended = try await stack.tool(token: text).json(["token", "revoke", own.id])
    #expect(ended["changed"] == true)
    #expect(try await stack.tool(token: text).run(["nodes"]).status == 77)
  }

  @Test func `a tenant's admin makes, renews and ends its tenant's tokens, and no others`()
    async throws
  {
    let own = try await stack.makeToken(["--role", "admin", "--tenant", "ranveer"])
    let foreign = try await stack.makeToken(["--role", "viewer", "--tenant", "vakil"])
    let tool = try stack.tool(token: own.text)
    let made = try await tool.json([
      "token", "create", "--role", "operator", "--tenant", "ranveer", "--reason", "on call",
    ])
    let id = try #require(made["token"]?["id"]?.stringValue)
    _ = try await tool.json(["token", "rotate", id])
    _ = try await tool.json(["token", "revoke", id, "--reason", "left"])
    let log = try await audit(["--object", "token/\(id)"], as: own.text)
    #expect(log.map { $0["action"] } == ["revoke", "rotate", "create"])
    #expect(log.map { $0["reason"] } == ["left", "", "on call"])
    #expect(log.allSatisfy { $0["actor_id"]?.stringValue == own.id && $0["role"] == "admin" })
    let listed = try await tool.json(["token", "list"]).arrayValue ?? []
    #expect(Set(listed.compactMap { $0["id"]?.stringValue }) == [own.id, id])

    var says: Set<String> = []
    for other in [foreign.id, String(admin.dropFirst(4).prefix(10)), "aaaaaaaaaa"] {
      for verb in ["revoke", "rotate"] {
        let done = try await tool.run(["token", verb, other])
        #expect(done.status == 77, "\(done.standardError)")
        says.insert(done.standardError)
      }
    }
    #expect(says.count == 1, "\(says)")
    for arguments in [
      ["--role", "viewer", "--platform"], ["--role", "node", "--node", "edge-9"],
      ["--role", "viewer", "--tenant", "vakil"],
    ] {
      #expect(try await tool.run(["token", "create"] + arguments).status == 77, "\(arguments)")
    }
    let forgotten = try await stack.tool(token: admin).run(["token", "create", "--role", "author"])
    #expect(forgotten.status == 65, "\(forgotten.standardError)")
    #expect(try await stack.tool(token: foreign.text).run(["nodes"]).status == 0)
    let stack = stack
    try await waitUntil("all of it is told of", within: .seconds(5)) {
      try await stack.tool(token: own.text).json(["audit", "--refused"]).arrayValue?.count == 9
    }
  }
}
