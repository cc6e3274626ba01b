import Compiler
import Domain
import Foundation
import Testing

@Suite struct DocumentTextTests {
  private let key = ObjectKey(kind: .team, tenant: "shop", slug: "desk")

  /// Reads texts back, all of them in one file.
  private func read(_ texts: [String]) throws -> ConfigFiles {
    let file = FileManager.default.temporaryDirectory.appending(path: "exported-\(UUID()).yaml")
    try Data(texts.joined(separator: "---\n").utf8).write(to: file)
    defer {
      do { try FileManager.default.removeItem(at: file) } catch {
        Issue.record("\(file.path) stays: \(error)")
      }
    }
    return ConfigFiles.load(file.path)
  }

  @Test("Any spec reads back as it was", arguments: [1, 2, 3, 4] as [UInt64])
  func roundTrip(seed: UInt64) throws {
    var random = SeededSpecs(seed: seed)
    let specs = (0 ..< 200).map { _ in JSONValue.object(["spec": random.value(depth: 4)]) }
    let texts = try specs.enumerated().map { index, spec in
      try #require(
        try DocumentText.yaml(
          ObjectKey(kind: .human, tenant: "shop", slug: "human-\(index)"),
          spec
        )
      )
    }
    let files = try read(texts)
    #expect(files.diagnostics == [])
    #expect(files.documents.map(\.spec) == specs)
    #expect(files.documents.map(\.key.slug) == specs.indices.map { "human-\($0)" })
  }

  @Test(
    "Texts that could be taken for something else stay texts",
    arguments: [
      "", " ", "null", "~", "true", "No", "on", "y", "1", "-1", "+91", "0x1F", "0o17", "1e3", "1.5",
      ".5", ".inf", "12:30", "2026-12-01", "- a", "a: b", "a #b", "#a", "@a", "`a", "%a", "&a",
      "*a",
      "!a", "|", ">", "[a", "{a", "'a'", "\"a\"", "---", "...", "--- a", "a\n", "\na", "a\n\nb\n\n",
      " a\n b", "a\n ", "\ta", "a\t", "a\r\nb", "a\u{85}b", "a\u{2028}b", "a\u{FEFF}b", "\u{7F}",
      "<<",
      "=", "?", "? a", ": a", "नमस्ते", "👩‍👩‍👧", "a\u{0301}", "e\u{1F}", "\\b\\d{1,5}\\s?mg\\b",
    ]
  )
  func texts(_ text: String) throws {
    let spec: JSONValue = [
      "text": .string(text), "list": [.string(text), ["in": .string(text)]],
      "map": .object([text: 1]),
    ]
    let tenant = ObjectKey(kind: .tenant, tenant: "shop", slug: "shop")
    let files = try read(
      [key, tenant].map { try #require(try DocumentText.yaml($0, spec)) }
    )
    #expect(files.diagnostics == [])
    #expect(files.documents.map(\.spec) == [spec, spec])
    #expect(files.documents.map(\.key.kind) == [.team, .tenant])
  }

  @Test("What no YAML reads back as it was is written as JSON")
  func json() throws {
    let spec: JSONValue = ["text": "\u{FEFF}a"]
    #expect(try DocumentText.yaml(key, spec) == nil)
    let file = FileManager.default.temporaryDirectory.appending(path: "exported-\(UUID()).json")
    try Data(try DocumentText.json(key, spec).utf8).write(to: file)
    #expect(ConfigFiles.load(file.path).documents.map(\.spec) == [spec])
    try FileManager.default.removeItem(at: file)
  }

  @Test("The sample reads back as it was, and people can read it")
  func sample() throws {
    let documents = ConfigFiles.load(PlanFixture.folder("sample")).documents
    let texts = try documents.map { try #require(try DocumentText.yaml($0.key, $0.spec)) }
    let files = try read(texts)
    #expect(files.documents.map(\.spec) == documents.map(\.spec))
    #expect(files.documents.map(\.key) == documents.map(\.key))
    // Nothing had to be written as JSON.
    #expect(texts.allSatisfy { $0.contains("\nspec:\n  ") })
  }
}

/// JSON values from a seed (SplitMix64), in the form that reading gives, with what specs may hold.
struct SeededSpecs: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }

  mutating func value(depth: Int) -> JSONValue {
    switch Int.random(in: 0 ..< (depth > 0 ? 9 : 6), using: &self) {
    case 0: return .null
    case 1: return .bool(Bool.random(using: &self))
    case 2: return .int(Int64(bitPattern: next()) >> Int64.random(in: 0 ..< 64, using: &self))
    case 3:
      let double = Double(bitPattern: next())
      guard double.isFinite else { return .double(0.5) }
      return Int64(exactly: double).map { .int($0) } ?? .double(double)
    case 4, 5: return .string(text())
    case 6:
      return .array(
        (0 ..< Int.random(in: 0 ... 4, using: &self)).map { _ in value(depth: depth - 1) }
      )
    default:
      var members: [String: JSONValue] = [:]
      for _ in 0 ..< Int.random(in: 0 ... 4, using: &self) {
        members[text()] = value(depth: depth - 1)
      }
      return .object(members)
    }
  }

  private mutating func text() -> String {
    let alphabet: [Unicode.Scalar] = [
      "a", "Z", "0", "1", "-", ":", " ", " ", "#", "'", "\"", "\\", "/", "\n", "\n", "\t", "\r",
      "\u{1}", "\u{1F}", "\u{7F}", "\u{85}", "\u{A0}", "é", "न", "ಕ", "€", "😀", "\u{2028}",
      "\u{FEFF}", "\u{FFFE}", "|", ">", "[", "]", "{", "}", ",", "&", "*", "!", "%", "@", "?", "~",
    ]
    var text = ""
    for _ in 0 ..< Int.random(in: 0 ... 10, using: &self) {
      text.unicodeScalars.append(alphabet[Int.random(in: 0 ..< alphabet.count, using: &self)])
    }
    // Our reader drops it there.
    if text.unicodeScalars.first == "\u{FEFF}" { text.unicodeScalars.removeFirst() }
    return text
  }
}
