import Domain
import Foundation
import Scenario
import Testing

@Suite(
  .serialized,
  .stack(base: 7700) { stack in
    try await stack.startControl()
    try await stack.apply(try stack.copySample(), nodes: 0)
  }
)
struct `Configuration that is refused` {
  /// A comment `# refused: CODE POINTER` stands on the line that has a fault.
  private struct Fault: Hashable {
    var line: Int
    var code: String
    var pointer: String

    static func expected(in file: URL) throws -> Set<Fault> {
      let text = String(decoding: try Data(contentsOf: file), as: UTF8.self)
      var faults: Set<Fault> = []
      for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false)
        .enumerated()
      {
        let parts = line.components(separatedBy: "# refused: ")
        guard parts.count == 2 else { continue }
        let words = parts[1].split(separator: " ").map(String.init)
        faults.insert(Fault(line: index + 1, code: words[0], pointer: words[1]))
      }
      return faults
    }
  }

  /// Applies a path for people and for machines; gives what was said to the machine, which must be
  /// what was said to people too.
  private func refused(_ path: URL) async throws -> [JSONValue] {
    let stack = try Stack.ofSuite()
    let before = try await stack.stored()
    let told = try await stack.tool().run(["apply", "-y", "-f", path.path])
    let machine = try await stack.tool().run(["apply", "-y", "-f", path.path, "--output", "json"])
    let dry = try await stack.tool().run(["apply", "--dry-run", "-f", path.path])
    #expect([told.status, machine.status, dry.status] == [65, 65, 65])
    #expect(try await stack.stored() == before)
    let answer = try JSONDecoder().decode(JSONValue.self, from: Data(machine.standardOutput.utf8))
    #expect(answer["ok"] == false && answer["applied"] == false)
    let faults = try #require(answer["diagnostics"]?.arrayValue)
    let lines = told.standardError.split(separator: "\n").map(String.init)
    for fault in faults {
      let (source, code) = (fault["source"]?.stringValue ?? "", fault["code"]?.stringValue ?? "")
      #expect(source.hasPrefix(path.path))
      #expect(Int(source.split(separator: ":").last ?? "") != nil, "no line: \(fault)")
      #expect(fault["hint"]?.stringValue?.isEmpty == false, "no hint: \(fault)")
      let first = try #require(
        lines.firstIndex { $0.hasPrefix("\(source): ") && $0.hasSuffix("[\(code)]") },
        "\(source) \(code) is not shown to people"
      )
      let group = lines[first...].prefix { $0 == lines[first] || $0.hasPrefix("  ") }
      let pointer = fault["path"]?.stringValue ?? ""
      #expect(pointer.isEmpty || group.contains { $0.contains(" \(pointer)") })
      #expect(group.contains { $0.hasPrefix("  hint: ") })
    }
    let errors = faults.count { $0["level"] == "error" }
    #expect(
      lines.last == "bindery: \(errors) error\(errors == 1 ? "" : "s"); nothing was stored."
    )
    #expect(told.standardOutput.isEmpty)
    return faults
  }

  @Test(arguments: ["two-faults", "foreign"])
  func `every fault is told with its line and pointer, and nothing is stored`(
    name: String
  ) async throws {
    let file = try Stack.ofSuite().layout.repository
      .appending(path: "Tests/Fixtures/refused/\(name).yaml")
    let found = try await refused(file).map { fault in
      Fault(
        line: Int((fault["source"]?.stringValue ?? "").split(separator: ":").last ?? "") ?? 0,
        code: fault["code"]?.stringValue ?? "",
        pointer: fault["path"]?.stringValue ?? ""
      )
    }
    let expected = try Fault.expected(in: file)
    #expect(Set(found) == expected)
    #expect(found.count == expected.count && !expected.isEmpty)
  }

  @Test func `text that is no YAML is told with its line, good documents beside it are not stored`()
    async throws
  {
    let file = try Stack.ofSuite().layout.repository
      .appending(path: "Tests/Fixtures/refused/malformed.yaml")
    let faults = try await refused(file)
    #expect(faults.map { $0["code"]?.stringValue } == ["CFG_BAD_YAML"])
    #expect(faults.first?["source"] == .string("\(file.path):11"))
  }

  @Test func `a folder in which all is broken lists all of it, and no pasted secret`() async throws
  {
    let folder = try Stack.ofSuite().layout.repository.appending(path: "Tests/Fixtures/broken")
    let faults = try await refused(folder)
    #expect(faults.count == 44)
    for file in ["tenant.yaml", "tiers.yaml", "stray.json", "unreadable.yaml"] {
      #expect(faults.contains { $0["source"]?.stringValue?.contains("/\(file):") == true })
    }
    #expect(!faults.contains { "\($0)".contains("EAAG") || "\($0)".contains("user:pass") })
  }

  @Test func `one fault beside four good tenants keeps all of them out`() async throws {
    let stack = try Stack.ofSuite()
    let folder = stack.folder.appending(path: "one-fault")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    for tenant in ["vakil", "ranveer"] {
      let file = stack.layout.sample.appending(path: "\(tenant)/tiers.yaml")
      let text = String(decoding: try Data(contentsOf: file), as: UTF8.self)
        .replacing("display_name: ", with: "display_name: New ")
        .replacing("127.0.0.1:7480", with: tenant == "vakil" ? "10.0.0.8:80" : "127.0.0.1:7783")
      try Data(text.utf8).write(to: folder.appending(path: "\(tenant).yaml"))
    }
    _ = try stack.write("kind: Agent\ntenant: vakil\nslug: odd\nspec: {}\n", to: "one-fault/z.yaml")
    let faults = try await refused(folder)
    #expect(!faults.isEmpty)
    #expect(faults.allSatisfy { $0["source"]?.stringValue?.contains("ranveer") == false })
  }
}

extension Stack {
  /// All that the configuration's tables hold, as counts and the newest revision.
  fileprivate func stored() async throws -> [String: JSONValue] {
    let names = try await database().rows(
      "select tablename from pg_tables where schemaname = 'public' order by 1"
    ).compactMap { $0["tablename"]?.stringValue }
    let counts = names.map { "(select count(*) from \($0)) as \($0)" }.joined(separator: ", ")
    return try await database().rows("select \(counts)").first ?? [:]
  }
}
