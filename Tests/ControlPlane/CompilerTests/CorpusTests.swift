import Compiler
import Domain
import Foundation
import Testing

/// Broken configurations, small enough to be read as documentation.
///
/// Every file of Tests/Fixtures/corpus says at the line in question what must be told there:
/// `#! CODE /pointer`, and `warning` for what is none of an error. Its documents stand in a sound
/// tenant (base/shop.yaml), in the place of those of the same name.
@Suite struct CorpusTests {
  struct Told: Hashable, Comparable, CustomStringConvertible {
    var line: Int
    var code: String
    var path: String
    var level: Diagnostic.Level

    var description: String {
      "\(line): \(code)\(path.isEmpty ? "" : " \(path)")\(level == .warning ? " warning" : "")"
    }

    static func < (a: Self, b: Self) -> Bool {
      (a.line, a.code, a.path) < (b.line, b.code, b.path)
    }
  }

  private static let folder = PlanFixture.folder("corpus")

  static let files: [String] = {
    let walk = FileManager.default.enumerator(atPath: folder)
    let found = walk.map { Array($0).compactMap { $0 as? String } } ?? []
    return found.filter { $0.hasSuffix(".yaml") && $0.contains("/") && !$0.hasPrefix("base/") }
      .sorted()
  }()

  /// What the file says must be told.
  private static func expected(in file: String) throws -> [Told] {
    let text = try String(contentsOfFile: "\(folder)/\(file)", encoding: .utf8)
    var told: [Told] = []
    for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated()
    {
      for mark in line.split(separator: "#!").dropFirst() {
        let words = mark.split(separator: " ").map(String.init)
        guard let code = words.first else { continue }
        let path = words.dropFirst().first { $0.hasPrefix("/") } ?? ""
        let level: Diagnostic.Level = words.last == "warning" ? .warning : .error
        told.append(Told(line: index + 1, code: code, path: path, level: level))
      }
    }
    return told.sorted()
  }

  private static let base = ConfigFiles.load("\(folder)/base")
  private static let models = ModelTablesFile.load("\(folder)/models.yaml")

  private func plan(_ path: String) throws -> (told: [Told], all: [Diagnostic]) {
    let files = ConfigFiles.load(path)
    let mine = Set(files.documents.map(\.key))
    let around = Self.base.documents.filter { !mine.contains($0.key) }
    var fixture = PlanFixture()
    fixture.planner = Planner(tables: try #require(Self.models.tables))
    let plan = fixture.plan(files.documents + around)
    let all = files.diagnostics + plan.diagnostics.map { files.located($0) }
    #expect((plan.publication == nil) == plan.diagnostics.contains { $0.level == .error })
    let told = all.map { diagnostic in
      let line = diagnostic.source.split(separator: ":").last.flatMap { Int($0) } ?? 0
      return Told(
        line: diagnostic.source.hasPrefix(path) ? line : -line,
        code: diagnostic.code,
        path: diagnostic.path,
        level: diagnostic.level
      )
    }
    return (told.sorted(), all)
  }

  @Test("The tenant around the cases is sound")
  func sound() throws {
    #expect(Self.base.diagnostics == [])
    #expect(Self.models.diagnostics == [])
    var fixture = PlanFixture()
    let plan = fixture.plan(Self.base.documents)
    #expect(plan.diagnostics == [])
    #expect(plan.publication != nil)
  }

  @Test("A file's faults are told, each at its line, and nothing else", arguments: files)
  func file(_ name: String) throws {
    let expected = try Self.expected(in: name)
    let (told, all) = try plan("\(Self.folder)/\(name)")
    #expect(
      told == expected,
      """
      \(name)
      expected:
        \(expected.map(\.description).joined(separator: "\n  "))
      got:
        \(told.map(\.description).joined(separator: "\n  "))
      \(all.map { "\($0.path): \($0.message), got \($0.got)" }.joined(separator: "\n"))
      """
    )
    for diagnostic in all {
      #expect(!diagnostic.message.isEmpty && !diagnostic.hint.isEmpty, "\(name): \(diagnostic)")
      // What is pasted where a secret's name is due is shown nowhere.
      for secret in ["eyJhbGciOi", "EAAG", "user:pass", "me:pw", "sk live"] {
        #expect(!"\(diagnostic)".contains(secret), "\(name)")
      }
    }
  }

  /// The codes that the design names.
  private static let designed = """
    GRD_BAD_ID GRD_DUP_ID GRD_UNKNOWN_KIND GRD_BAD_SEVERITY GRD_BAD_STAGE GRD_BAD_REGEX
    GRD_UNSAFE_REGEX GRD_REWRITE_MISSING GRD_KIND_CLASH GRD_CONTRADICTION GRD_OVERRIDE_DENIED
    SOP_UNKNOWN_TOOL SOP_DANGLING_GOTO SOP_UNREACHABLE SOP_NO_EXIT SOP_BAD_TEMPLATE
    ESC_UNKNOWN_TEAM ESC_NOT_ALLOWED ESC_SELF TEAM_HANDOFF_FOREIGN
    TOOL_BAD_NAME TOOL_DUP TOOL_BAD_SCHEMA TOOL_INSECURE_URL TOOL_PRIVATE_HOST TOOL_INLINE_SECRET
    TOOL_APPROVAL_REQUIRED MEM_RANGE RET_INDEX_MISMATCH RET_EF_RANGE HUM_LANG_EMPTY HUM_BAD_LANG
    VOICE_UNKNOWN_KEY AGT_NO_DEFAULT_MODEL AGT_UNKNOWN_MODEL AGT_MODEL_RETIRED AGT_ITER_RANGE
    BND_HUMAN_NOT_IN_TEAM BND_FOREIGN_TIER BND_ROUTE_TAKEN BND_ROUTE_KIND BND_CHANNEL_UNKNOWN
    CFG_TOO_LARGE
    """.split(whereSeparator: \.isWhitespace).map(String.init)

  @Test("Every code of the design and of the catalogue stands in at least three files")
  func coverage() throws {
    var files: [String: Int] = [:]
    for file in Self.files {
      for code in Set(try Self.expected(in: file).map(\.code)) { files[code, default: 0] += 1 }
    }
    let catalogue = DiagnosticCatalogue.entries.map(\.code)
    #expect(Set(catalogue).count == catalogue.count)
    #expect(Set(Self.designed).isSubset(of: catalogue))
    // A file that isn't there can't stand in the corpus; ConfigFilesTests has it.
    for code in catalogue where code != "CFG_NO_FILE" {
      #expect(files[code, default: 0] >= 3, "\(code) stands in \(files[code, default: 0]) files")
    }
    #expect(Set(files.keys).isSubset(of: catalogue))
  }

  @Test("There are at least 200 files, and at least 40 with two unrelated faults")
  func size() throws {
    #expect(Self.files.count >= 200)
    let pairs = Self.files.filter { $0.hasPrefix("pairs/") }
    #expect(pairs.count >= 40)
    for file in Self.files {
      let told = try Self.expected(in: file)
      #expect(!told.isEmpty, "\(file) names no fault")
      if file.hasPrefix("pairs/") {
        #expect(Set(told.map(\.code)).count >= 2, "\(file) has one kind of fault")
      }
    }
  }
}
