import Domain
import Foundation
import Scenario
import Testing

extension `Services that fail` {
  @Test func `chat in a terminal prompts, answers each line, and Ctrl-D leaves`() async throws {
    let chat = try stack.tool().terminal(["chat", "vakil/vakil-main"])
    try await chat.wait(until: "it prompts") { $0.hasSuffix("\n> ") }
    let head = await chat.screen()
    #expect(head.contains("vakil/vakil-main at http://127.0.0.1:"))
    for (count, text) in ["good morning", "and a second thing"].enumerated() {
      try await chat.type("\(text)\n")
      try await chat.wait(until: "it answers and prompts again") { screen in
        screen.components(separatedBy: "\n> ").count == count + 3 && screen.hasSuffix("\n> ")
      }
      let answer = await chat.screen().components(separatedBy: "\n> ")[count + 1]
      #expect(answer.hasPrefix("\(text)\n"), "what is typed stands before its answer")
      #expect(answer.contains("“\(text)”"), "\(answer)")
    }
    try await chat.type("\u{4}")
    #expect(try await chat.exitStatus() == 0)
    let last = await chat.screen()
    #expect(last.hasSuffix("> \n"), "the shell's prompt gets a line of its own")
    try await stack.waitForRow(
      "the conversation is stored",
      "select 1 from messages where direction = 'inbound' and body = 'and a second thing'"
    )
  }

  @Test func `chat in a terminal ends with an empty line too, and shows an apology`() async throws {
    try await stack.fail(stack.ports.anthropic, ["status": 400, "times": 100])
    let chat = try stack.tool().terminal(["chat", "medicly/medicly-main"])
    try await chat.wait(until: "it prompts") { $0.hasSuffix("\n> ") }
    try await chat.type("how much?\n")
    try await chat.wait(until: "it apologises") { $0.contains("We are sorry, our desk") }
    try await stack.mend(stack.ports.anthropic)
    try await chat.wait(until: "it prompts again") { $0.hasSuffix("\n> ") }
    try await chat.type("\n")
    #expect(try await chat.exitStatus() == 0)
  }

  @Test func `chat reads a pipe without prompts, for people and for machines`() async throws {
    let lines = "first\nsecond\n"
    let piped = try await stack.tool().run(["chat", "vakil/vakil-main"], input: lines)
    #expect(piped.status == 0)
    #expect(!piped.standardOutput.contains("> "))
    #expect(piped.standardOutput.contains("“first”") && piped.standardOutput.contains("“second”"))
    let machine = try await stack.tool().run(
      ["chat", "vakil/vakil-main", "--output", "json"],
      input: lines
    )
    #expect(machine.status == 0)
    let turns = try JSONDecoder().decode(
      [JSONValue].self,
      from: Data(machine.standardOutput.utf8)
    )
    #expect(turns.map { $0["user"] } == ["first", "second"])
    #expect(turns.allSatisfy { $0["ended"] == "done" && $0["reply"]?.stringValue != "" })
  }

  @Test func `chat with what is not there says so with a status of its own`() async throws {
    let tool = try stack.tool()
    let unknown = try await tool.run(["chat", "vakil/nothing"], input: "hello\n")
    #expect(unknown.status == 66)
    let host = try await tool.run(
      ["chat", "vakil/vakil-main", "--host", "nobody.example"],
      input: "hello\n"
    )
    #expect(host.status == 66 && host.standardError.contains("nobody.example"))
    let node = try await tool.run(
      ["chat", "vakil/vakil-main", "--node", "http://127.0.0.1:9"],
      input: "hello\n"
    )
    #expect(node.status == 69 && node.standardError.contains("127.0.0.1:9"))
    for done in [unknown, host, node] {
      #expect(done.standardError.split(separator: "\n").count == 1, "\(done.standardError)")
    }
  }

  @Test(arguments: ["tenant", "human", "team", "agent", "binding"])
  func `get shows each kind whole, as a list and alone, for people and for machines`(
    kind: String
  ) async throws {
    let tool = try stack.tool()
    let listed = try #require(try await tool.json(["get", "\(kind)s"]).arrayValue)
    let table = kind == "binding" ? "agent_bindings" : "\(kind)s"
    #expect(try await stack.database().count("select 1 from \(table)") == listed.count)
    #expect(listed.count >= 5)
    let people = try await tool.run(["get", "\(kind)s"])
    #expect(people.status == 0)
    let lines = people.standardOutput.split(separator: "\n").map(String.init)
    #expect(lines.count == listed.count + 1)
    #expect(lines.first?.hasPrefix("TENANT") == true)
    for object in listed {
      let (tenant, slug) = (object["tenant"]?.stringValue ?? "", object["slug"]?.stringValue ?? "")
      #expect(lines.contains { $0.hasPrefix(tenant) && $0.contains(" \(slug) ") })
      let name = kind == "tenant" ? slug : "\(tenant)/\(slug)"
      #expect(try await tool.json(["get", kind, name]) == object)
    }
    let slug = listed[0]["slug"]?.stringValue ?? ""
    let tenant = listed[0]["tenant"]?.stringValue ?? ""
    let whole = try await tool.run(["get", kind, kind == "tenant" ? slug : "\(tenant)/\(slug)"])
    #expect(whole.status == 0 && whole.standardOutput.lowercased().hasPrefix("\(kind) "))
    #expect(whole.standardOutput.contains("version 1"))
    let some = try #require(
      try await tool.json(["get", "\(kind)s", "--tenant", "vakil"]).arrayValue
    )
    #expect(!some.isEmpty && some.allSatisfy { $0["tenant"] == "vakil" })
  }

  @Test func `get of what is not there says so with a status of its own`() async throws {
    let tool = try stack.tool()
    #expect(try await tool.run(["get", "humn"]).status == 64)
    #expect(try await tool.run(["get", "human", "vakil"]).status == 64)
    for name in ["vakil/nobody", "nobody/vakil"] {
      let unknown = try await tool.run(["get", "human", name])
      #expect(unknown.status == 66)
      #expect(unknown.standardError.split(separator: "\n").count == 1)
    }
  }
}
