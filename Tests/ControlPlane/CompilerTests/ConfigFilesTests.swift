import Compiler
import Domain
import Foundation
import Testing

@Suite struct ConfigFilesTests {
  /// Loads files that are written for it into a folder of their own.
  private func load(_ files: [String: String]) throws -> ConfigFiles {
    let folder = FileManager.default.temporaryDirectory.appending(path: "config-\(UUID())")
    defer {
      do { try FileManager.default.removeItem(at: folder) } catch {
        Issue.record("\(folder.path) stays: \(error)")
      }
    }
    for (name, text) in files {
      let file = folder.appending(path: name)
      try FileManager.default.createDirectory(
        at: file.deletingLastPathComponent(),
        withIntermediateDirectories: true
      )
      try Data(text.utf8).write(to: file)
    }
    return ConfigFiles.load(folder.path)
  }

  private func load(yaml: String) throws -> ConfigFiles { try load(["a.yaml": yaml]) }

  /// "code line pointer" of each diagnostic.
  private func found(_ files: ConfigFiles) -> [String] {
    files.diagnostics.map { diagnostic in
      let line = diagnostic.source.split(separator: ":").last ?? ""
      return "\(diagnostic.code) \(line) \(diagnostic.path)"
        .trimmingCharacters(in: .whitespaces)
    }
  }

  private func team(_ spec: String) -> String {
    "kind: Team\ntenant: shop\nslug: desk\nspec:\n\(spec)\n"
  }

  @Test("Files below a folder are read in order, hidden and other ones left out")
  func walk() throws {
    let files = try load([
      "b.yml": team("  display_name: B").replacing("desk", with: "b"),
      "a/deep.yaml": team("  display_name: A").replacing("desk", with: "a"),
      "c.json": #"{"kind":"Team","tenant":"shop","slug":"c","spec":{"display_name":"C"}}"#,
      ".hidden.yaml": "no: config", "notes.txt": "no config",
    ])
    #expect(files.diagnostics == [])
    #expect(files.documents.map(\.key.slug) == ["a", "b", "c"])
    #expect(files.documents.allSatisfy { $0.source.hasSuffix(":1") })
  }

  @Test(
    "Plain words are read by YAML 1.2, where only true and false are booleans",
    arguments: [
      ("no", "no"), ("yes", "yes"), ("on", "on"), ("12:30", "12:30"), ("1_000", "1_000"),
      ("true", true), ("~", nil), ("null", nil), ("", nil), (" # nothing", nil), ("12", 12),
      ("-3", -3), ("1.5", 1.5), ("1e3", 1e3),
      ("\"12\"", "12"), ("'true'", "true"), ("2026-11-24", "2026-11-24"), ("0123", 123),
      ("919800000001", 919_800_000_001), (".", "."), ("-", "-"), ("e", "e"),
      ("!!str 12", "12"),
    ] as [(String, JSONValue)]
  )
  func scalars(text: String, value: JSONValue) throws {
    let files = try load(yaml: team("  key: \(text == "-" ? "\"-\"" : text)"))
    #expect(files.diagnostics == [])
    #expect(files.documents.first?.spec["key"] == value)
  }

  @Test("A pointer has the line of its value, or of the nearest one around it")
  func lines() throws {
    let files = try load(
      yaml: """
        # a comment
        kind: Team
        tenant: shop
        slug: desk
        spec:
          sops:
            - first
            - title: T
              "a/b": x
        ---
        kind: Team
        tenant: shop
        slug: other
        spec:
          members: [a,
            b]
        """
    )
    #expect(files.diagnostics == [])
    let sources = files.documents.map(\.source)
    #expect(sources.map { $0.split(separator: ":").last } == ["2", "11"])
    func line(_ pointer: String, _ document: Int) -> Int? {
      files.line(of: pointer, inDocumentAt: sources[document])
    }
    #expect(line("/sops/0", 0) == 7)
    #expect(line("/sops/1/title", 0) == 8)
    #expect(line("/sops/1/a~1b", 0) == 9)
    #expect(line("/sops/1/missing/deep", 0) == 8)
    #expect(line("/members/1", 1) == 16)
    #expect(files.line(of: "/sops", inDocumentAt: "elsewhere:1") == nil)
  }

  @Test(
    "What is wrong with a document is told at its line",
    arguments: [
      ("- a\n- b", ["CFG_BAD_DOCUMENT 1"]),
      (
        "kind: Team",
        ["CFG_BAD_SLUG 1 /slug", "CFG_BAD_SLUG 1 /tenant", "CFG_BAD_DOCUMENT 1 /spec"]
      ),
      ("kind: Humn\ntenant: a\nslug: b\nspec: {}", ["CFG_UNKNOWN_KIND 1 /kind"]),
      ("kind: Human\ntenant: a\nslug: B c\nspec: {}", ["CFG_BAD_SLUG 3 /slug"]),
      ("kind: Human\ntenant: a\nslug: b\nspec: []", ["CFG_BAD_DOCUMENT 4 /spec"]),
      ("kind: Human\ntenant: a\nslug: b\nname: c\nspec: {}", ["CFG_UNKNOWN_KEY 4 /name"]),
      ("kind: Tenant\ntenant: a\nslug: b\nspec: {}", ["CFG_BAD_SLUG 2 /tenant"]),
      (
        "kind: Tenant\nslug: b\nspec: {}\n---\nkind: Tenant\nslug: b\nspec: {}",
        ["CFG_DUPLICATE 5"]
      ),
    ]
  )
  func documents(text: String, expected: [String]) throws {
    #expect(found(try load(yaml: text)) == expected)
  }

  @Test(
    "After what is no YAML the next document is read",
    arguments: [
      ("kind: Team\nspec:\n\tdisplay_name: x", 3), ("kind: \"Team", 1), ("kind: [Team\nslug: x", 2),
      ("kind: *nobody", 1), ("kind: a\nkind: b", 1), ("a: {b: 1, b: 2}", 1), ("? [a]\n: b", 1),
      ("a: !!binary x", 1), ("a: b\nc: !mine d", 2),
    ]
  )
  func broken(text: String, line: Int) throws {
    let first = "kind: Tenant\nslug: shop\nspec: {}\n---\n"
    let files = try load(yaml: "\(first)\(text)\n---\n\(team("  display_name: D"))")
    #expect(files.documents.map(\.key.slug) == ["shop", "desk"])
    #expect(files.diagnostics.map(\.code) == ["CFG_BAD_YAML"])
    let told = files.diagnostics.first?.source.split(separator: ":").last.flatMap { Int($0) }
    #expect(told == line + 4, "\(files.diagnostics)")
    let start = 4 + text.split(separator: "\n").count + 2
    #expect(files.documents.last?.source.hasSuffix(":\(start)") == true)
  }

  @Test("A text that unfolds without end is refused")
  func bomb() throws {
    var text = "  a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    for level in 1 ... 8 {
      let alias = Array(repeating: "*a\(level - 1)", count: 10).joined(separator: ", ")
      text += "  a\(level): &a\(level) [\(alias)]\n"
    }
    let files = try load(yaml: team(text))
    #expect(files.documents.isEmpty)
    #expect(files.diagnostics.map(\.code) == ["CFG_BAD_YAML"])
  }

  @Test("Aliases within bounds stand for what they name")
  func aliases() throws {
    let files = try load(yaml: team("  sops: &s [be kind]\n  again: *s"))
    #expect(files.documents.first?.spec["again"] == ["be kind"])
  }

  @Test("JSON is read strictly, with lines")
  func json() throws {
    let text = """
      {"kind": "Team", "tenant": "shop", "slug": "c",
       "spec": {
         "display_name": "\\ud83d\\ude00"}}
      """
    let files = try load(["c.json": text])
    #expect(files.diagnostics == [])
    #expect(files.documents.first?.spec == ["display_name": "😀"])
    let bad = try load(["c.json": "{\n \"kind\": \"Team\",\n}"])
    #expect(found(bad) == ["CFG_BAD_YAML 3"])
  }

  @Test("What can't be read is told")
  func unreadable() throws {
    #expect(ConfigFiles.load("/nowhere/at/all").diagnostics.map(\.code) == ["CFG_NO_FILE"])
    let folder = FileManager.default.temporaryDirectory
    let file = folder.appending(path: "config-\(UUID()).yaml")
    defer { #expect(throws: Never.self) { try FileManager.default.removeItem(at: file) } }
    try Data([0x6B, 0x3A, 0xFF]).write(to: file)
    #expect(ConfigFiles.load(file.path).diagnostics.map(\.code) == ["CFG_BAD_YAML"])
    try Data(repeating: 0x20, count: (4 << 20) + 1).write(to: file)
    #expect(ConfigFiles.load(file.path).diagnostics.map(\.code) == ["CFG_TOO_LARGE"])
  }
}
