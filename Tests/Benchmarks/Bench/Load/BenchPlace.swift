internal import ArgumentParser
internal import Domain
internal import Foundation
internal import Scenario

/// Where the programs are, and a folder for the run.
struct BenchPlace: ParsableArguments {
  @Option(help: "The repository: PostgreSQL is found in it.")
  var repository: String = FileManager.default.currentDirectoryPath

  @Flag(help: "Keep the folder of the run, with all logs.")
  var keep = false

  func layout() throws -> Layout {
    let own = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
    return Layout(
      repository: URL(filePath: repository),
      programs: URL(filePath: own).deletingLastPathComponent()
    )
  }

  func withFolder(_ body: (URL) async throws -> Void) async throws {
    let folder = FileManager.default.temporaryDirectory.appending(
      path: "bindery-bench-\(UUID().uuidString.prefix(8))"
    )
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    do {
      try await body(folder)
    } catch {
      print("logs: \(folder.path)")
      throw error
    }
    if keep { print("logs: \(folder.path)") } else { removeFolder(folder) }
  }

  /// Starts one of our programs and waits until it says that it is ready.
  func start(
    _ program: String,
    _ arguments: [String],
    as name: String,
    in folder: URL
  ) async throws -> Program {
    let started = try Program(
      name,
      path: try layout().program(program),
      arguments: arguments,
      log: folder.appending(path: "\(name).log")
    )
    try await started.waitUntilReady(within: .seconds(60))
    return started
  }

  /// Applies the benchmark's own configuration.
  func apply(control: Int) async throws {
    let fixtures = URL(filePath: repository).appending(path: "Tests/Benchmarks/Fixtures")
    let tool = CommandLineTool(
      path: try layout().program("bindery"),
      control: "127.0.0.1:\(control)"
    )
    let answer = try await tool.json(["apply", "-y", "-f", fixtures.path])
    try require(answer["applied"] == true, "not applied: \(answer)")
  }

  /// One line about where this ran.
  var machine: String {
    let cores = ProcessInfo.processInfo.activeProcessorCount
    var load = [0.0, 0, 0]
    getloadavg(&load, 3)
    return "\(cores) cores, load \(decimals(load[0], 2)) before, \(Date().ISO8601Format())\n"
  }
}
