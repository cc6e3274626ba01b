import Foundation
import Scenario
import Testing

/// Runs a program with wrong input; gives its exit status and what it said.
private func run(_ program: String, _ arguments: [String]) async throws -> Completed {
  let layout = try Layout.ofThisBuild()
  return try await Completed.run(
    program,
    path: try layout.program(program),
    arguments: arguments,
    within: .seconds(20)
  )
}

@Suite struct `Bad input to the programs` {
  @Test func `an unknown address to bind, or one that is not local, is refused with status 64`()
    async throws
  {
    for address in ["0.0.0.0:7400", "nonsense"] {
      let done = try await run("bindery-control", ["--grpc", address])
      #expect(done.status == 64)
      #expect(done.standardError.contains("grpc"))
    }
    let node = try await run("bindery-node", ["--http", "0.0.0.0:7410"])
    #expect(node.status == 64)
  }

  @Test func `missing PostgreSQL programs and an unreachable database have lines and statuses`()
    async throws
  {
    let folder = FileManager.default.temporaryDirectory.appending(
      path: "bindery-bad-\(UUID().uuidString.prefix(8))"
    )
    defer { removeFolder(folder) }
    let missing = try await run(
      "bindery-control",
      ["--postgres-binaries", "/nonexistent", "--data-dir", folder.path]
    )
    #expect(missing.status == 78)
    #expect(missing.standardError.contains("setup-postgres"))
    let unreachable = try await run(
      "bindery-control",
      ["--database-url", "host=/nonexistent dbname=x", "--data-dir", folder.path]
    )
    #expect(unreachable.status == 69)
  }

  @Test func `an unknown key of a settings file is named with status 64`() async throws {
    let file = FileManager.default.temporaryDirectory.appending(
      path: "bindery-bad-\(UUID().uuidString.prefix(8)).yaml"
    )
    try Data("grcp: 127.0.0.1:1\n".utf8).write(to: file)
    defer { removeFolder(file) }
    let done = try await run("bindery-control", ["--config", file.path])
    #expect(done.status == 64)
    #expect(done.standardError.contains("grcp"))
  }

  @Test func `apply without a control plane, or without files, says so`() async throws {
    let sample = try Layout.ofThisBuild().sample.path
    let away = try await run(
      "bindery",
      ["apply", "-y", "-f", sample, "--control", "127.0.0.1:7399", "--timeout", "2"]
    )
    #expect(away.status == 69)
    let empty = try await run("bindery", ["apply", "-y", "-f", "/nonexistent"])
    #expect(empty.status == 65)
    #expect(
      empty.standardOutput.contains("CFG_NO_FILE") || empty.standardError.contains("CFG_NO_FILE")
    )
  }
}
