import Foundation
import Observability
import Testing

@Suite("Settings come from flags, then the environment, then the file")
struct SettingsTests {
  private let known = ["http", "data-dir", "tool-allow"]

  private func file(_ text: String) throws -> String {
    let path = FileManager.default.temporaryDirectory
      .appendingPathComponent("bindery-settings-\(UUID().uuidString).yaml").path
    try text.write(toFile: path, atomically: true, encoding: .utf8)
    return path
  }

  @Test("A flag stands over a variable, a variable over the file")
  func precedence() throws {
    let path = try file("http: file\ndata-dir: file\ntool-allow: [a:1, b:2]\n")
    defer { unlink(path) }
    let settings = try Settings(
      flags: ["http": ["flag"]],
      file: path,
      known: known,
      environment: ["BINDERY_HTTP": "env", "BINDERY_DATA_DIR": "env"]
    )
    #expect(settings.string("http") == "flag")
    #expect(settings.string("data-dir") == "env")
    #expect(settings.list("tool-allow") == ["a:1", "b:2"])
    #expect(settings.string("absent") == nil)
  }

  @Test("A repeated flag and a comma-separated variable are lists")
  func lists() throws {
    let flags = try Settings(
      flags: ["tool-allow": ["a:1", "b:2"]],
      file: nil,
      known: known,
      environment: [:]
    )
    #expect(flags.list("tool-allow") == ["a:1", "b:2"])
    let one = try Settings(
      flags: ["tool-allow": ["a:1"]],
      file: nil,
      known: known,
      environment: [:]
    )
    #expect(one.list("tool-allow") == ["a:1"])
    let variable = try Settings(
      flags: [:],
      file: nil,
      known: known,
      environment: ["BINDERY_TOOL_ALLOW": "a:1,b:2"]
    )
    #expect(variable.list("tool-allow") == ["a:1", "b:2"])
  }

  @Test("An unknown key of the file is an error that names the line and the nearest key")
  func unknownKey() throws {
    let path = try file("http: x\ndata_dir: y\n")
    defer { unlink(path) }
    let failure = #expect(throws: ProgramFailure.self) {
      try Settings(flags: [:], file: path, known: known, environment: [:])
    }
    #expect(failure?.status == .usage)
    #expect(failure?.message == "\(path):2: unknown key 'data_dir'; did you mean 'data-dir'?")
  }

  @Test("A number out of range is an error that names the range", arguments: ["0", "x", "99999"])
  func range(text: String) throws {
    let settings = try Settings(
      flags: ["http": [text]],
      file: nil,
      known: known,
      environment: [:]
    )
    let failure = #expect(throws: ProgramFailure.self) {
      try settings.int("http", in: 1 ... 65_535)
    }
    #expect(failure?.message.contains("1 to 65535") == true)
  }

  @Test("A file that can't be read is an error")
  func missingFile() {
    #expect(throws: ProgramFailure.self) {
      try Settings(flags: [:], file: "/nonexistent.yaml", known: known, environment: [:])
    }
  }
}
