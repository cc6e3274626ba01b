import Compiler
import Domain
import Foundation
import Testing

@Suite struct HostileFilesTests {
  /// Loads what `write` puts into a folder of its own.
  private func load(_ write: (URL) throws -> Void) throws -> ConfigFiles {
    let folder = FileManager.default.temporaryDirectory.appending(path: "hostile-\(UUID())")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer {
      do { try FileManager.default.removeItem(at: folder) } catch {
        Issue.record("\(folder.path) stays: \(error)")
      }
    }
    try write(folder)
    return ConfigFiles.load(folder.path)
  }

  private func load(_ text: String) throws -> ConfigFiles {
    try load { try Data(text.utf8).write(to: $0.appending(path: "a.yaml")) }
  }

  private static let head = "kind: Team\ntenant: shop\nslug: desk\nspec:\n"

  private static let hostile: [String: String] = {
    var texts: [String: String] = [:]
    func add(_ name: String, _ body: String) { texts[name] = head + body }
    add("flow levels", "  a: " + String(repeating: "[", count: 200_000))
    add("flow mappings", "  a: " + String(repeating: "{a: ", count: 100_000))
    add("sequences", "  a:\n    " + String(repeating: "- ", count: 100_000) + "x")
    add("many values", "  a: [" + String(repeating: "x,", count: 150_000) + "x]")
    add("itself", "  a: &a [*a]\n")
    add("no anchor", "  a: *b\n")
    var (levels, chain, bomb) = ("", "  a0: &a0 [x]\n", "  b0: &b0 {k: v}\n")
    for level in 1 ... 2000 { levels += String(repeating: " ", count: level) + "a:\n" }
    for level in 1 ... 200 { chain += "  a\(level): &a\(level) [*a\(level - 1)]\n" }
    for level in 1 ... 10 {
      let aliases = String(repeating: "*b\(level - 1),", count: 9)
      bomb += "  b\(level): &b\(level) [\(aliases)*b\(level - 1)]\n"
    }
    add("block levels", levels)
    add("chained aliases", chain)
    add("bomb", bomb)
    return texts
  }()

  @Test(
    "Texts that would take a machine down are refused, with a line and what to do",
    arguments: hostile.keys.sorted()
  )
  func refused(_ name: String) throws {
    let files = try load(try #require(Self.hostile[name]))
    #expect(files.documents.isEmpty)
    let diagnostic = try #require(files.diagnostics.first)
    #expect(diagnostic.code == "CFG_BAD_YAML")
    #expect(Int(diagnostic.source.split(separator: ":").last ?? "") != nil)
    #expect(!diagnostic.hint.isEmpty)
  }

  @Test("All files together have a limit, too, and what is no file is not opened")
  func limits() throws {
    let files = try load { folder in
      let chunk = Data(repeating: UInt8(ascii: "#"), count: 4 << 20)
      for index in 0 ..< 20 {
        try chunk.write(to: folder.appending(path: "\(index).yaml"))
      }
    }
    #expect(files.diagnostics.map(\.code) == ["CFG_TOO_LARGE"])
    let pipe = try load { folder in
      try #require(mkfifo(folder.appending(path: "a.yaml").path, 0o600) == 0)
      try FileManager.default.createDirectory(
        at: folder.appending(path: "b.yaml"),
        withIntermediateDirectories: true
      )
      try FileManager.default.createSymbolicLink(
        at: folder.appending(path: "c"),
        withDestinationURL: folder
      )
    }
    #expect(pipe.diagnostics.map(\.code) == ["CFG_NO_FILE"])
    #expect(pipe.diagnostics.first?.source.hasSuffix("a.yaml") == true)
  }

  @Test(
    "Documents are the same however they are split into files",
    arguments: [1, 2, 3, 4] as [UInt64]
  )
  func split(seed: UInt64) throws {
    var random = SeededSpecs(seed: seed)
    let documents = ConfigFiles.load(PlanFixture.folder("sample")).documents
    let texts = try documents.map { try #require(try DocumentText.yaml($0.key, $0.spec)) }
    let files = try load { folder in
      var parts: [String: [String]] = [:]
      for text in texts.shuffled(using: &random) {
        let depth = Int.random(in: 0 ... 3, using: &random)
        let path =
          (0 ..< depth).map { _ in "d\(Int.random(in: 0 ..< 2, using: &random))/" }.joined()
          + "f\(Int.random(in: 0 ..< 3, using: &random)).\(Bool.random(using: &random) ? "yaml" : "yml")"
        parts[path, default: []].append(text)
      }
      for (path, texts) in parts {
        let file = folder.appending(path: path)
        try FileManager.default.createDirectory(
          at: file.deletingLastPathComponent(),
          withIntermediateDirectories: true
        )
        try Data(("---\n" + texts.joined(separator: "---\n") + "...\n").utf8).write(to: file)
      }
    }
    #expect(files.diagnostics == [])
    func sorted(_ documents: [AuthoredDocument]) -> [ObjectKey: JSONValue] {
      Dictionary(documents.map { ($0.key, $0.spec) }, uniquingKeysWith: { first, _ in first })
    }
    #expect(sorted(files.documents) == sorted(documents))
    #expect(files.documents.count == documents.count)
  }
}
