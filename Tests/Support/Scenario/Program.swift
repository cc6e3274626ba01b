package import Foundation

/// A program that was started, with all that it prints in one file.
package struct Program: Sendable {
  package let name: String
  private let process: Process
  private let log: URL

  /// Starts the program at `path`; what it prints is appended to `log`.
  ///
  /// The program gets a process group of its own, so that Ctrl-C in a terminal reaches only the
  /// program that started it, which then stops the others in order.
  package init(
    _ name: String,
    path: String,
    arguments: [String],
    environment: [String: String] = [:],
    log: URL
  ) throws {
    self.name = name
    self.log = log
    if !FileManager.default.fileExists(atPath: log.path) {
      try Data().write(to: log)
    }
    let output = try FileHandle(forWritingTo: log)
    try output.seekToEnd()
    process = Process()
    process.executableURL = URL(filePath: path)
    process.arguments = arguments
    // What the caller's shell sets for Bindery must not change what is started here.
    process.environment = ProcessInfo.processInfo.environment
      .filter { !$0.key.hasPrefix("BINDERY_") }
      .merging(environment, uniquingKeysWith: { $1 })
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = output
    process.standardError = output
    try process.run()
    try output.close()
  }

  package var isRunning: Bool { process.isRunning }

  package var processIdentifier: Int32 { process.processIdentifier }

  /// The exit status; nil while it runs, 128 + the signal when a signal ended it (as in a shell).
  package var exitStatus: Int32? {
    guard !process.isRunning else { return nil }
    return process.terminationReason == .uncaughtSignal
      ? 128 + process.terminationStatus : process.terminationStatus
  }

  /// Everything it has printed.
  package var output: String {
    guard let data = FileManager.default.contents(atPath: log.path) else { return "" }
    return String(decoding: data, as: UTF8.self)
  }

  /// The last lines that it printed, each after its name.
  package func tail(_ lines: Int = 12) -> String {
    output.split(separator: "\n").suffix(lines).map { "    \(name) | \($0)" }
      .joined(separator: "\n")
  }

  /// Waits for a line that starts with `ready`.
  package func waitUntilReady(within limit: Duration) async throws {
    try await waitUntil("\(name) says that it is ready", within: limit) {
      if let status = exitStatus {
        throw ScenarioFailure("\(name) ended with status \(status) before it was ready\n\(tail())")
      }
      return output.split(separator: "\n").contains { $0.hasPrefix("ready") }
    }
  }

  /// Waits until it has ended, and returns the exit status.
  @discardableResult
  package func waitUntilExit(within limit: Duration) async throws -> Int32 {
    try await waitFor("\(name) ends", within: limit) { exitStatus }
  }

  package func signal(_ signal: Int32) {
    guard process.isRunning else { return }
    kill(process.processIdentifier, signal)
  }

  /// Asks it to end, and kills it when it has not within `limit`.
  ///
  /// - Returns: What was wrong with its end: it had to be killed, or its status was not 0.
  @discardableResult
  package func stop(within limit: Duration = .seconds(15)) async -> String? {
    signal(SIGTERM)
    do {
      let status = try await waitUntilExit(within: limit)
      return status == 0 ? nil : "\(name) ended with status \(status)\n\(tail())"
    } catch {
      signal(SIGKILL)
      return "\(name) had to be killed"
    }
  }
}

/// What a program that runs to its end has left.
package struct Completed: Sendable {
  package var status: Int32
  package var standardOutput: String
  package var standardError: String

  /// Runs a program to its end.
  ///
  /// - Parameter input: What it reads from a pipe; nil gives it nothing to read.
  package static func run(
    _ name: String,
    path: String,
    arguments: [String],
    environment: [String: String] = [:],
    input: String? = nil,
    within limit: Duration = .seconds(30)
  ) async throws -> Completed {
    let folder = FileManager.default.temporaryDirectory.appending(
      path: "bindery-run-\(UUID().uuidString)"
    )
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { removeFolder(folder) }
    let (out, err) = (folder.appending(path: "out"), folder.appending(path: "err"))
    for file in [out, err] { try Data().write(to: file) }
    let process = Process()
    process.executableURL = URL(filePath: path)
    process.arguments = arguments
    process.environment = ProcessInfo.processInfo.environment
      .filter { !$0.key.hasPrefix("BINDERY_") }
      .merging(environment, uniquingKeysWith: { $1 })
    let pipe = Pipe()
    if input == nil {
      process.standardInput = FileHandle.nullDevice
    } else {
      process.standardInput = pipe
    }
    let (output, errors) = (try FileHandle(forWritingTo: out), try FileHandle(forWritingTo: err))
    process.standardOutput = output
    process.standardError = errors
    try process.run()
    // `Process` keeps them, and a run of all tests starts more programs than there may be open files.
    try output.close()
    try errors.close()
    if let input {
      // A test's few lines fit into the pipe, so this never waits for the program.
      try pipe.fileHandleForWriting.write(contentsOf: Data(input.utf8))
      try pipe.fileHandleForWriting.close()
    }
    do {
      try await waitUntil("\(name) ends", within: limit) { !process.isRunning }
    } catch {
      kill(process.processIdentifier, SIGKILL)
      throw error
    }
    return Completed(
      status: process.terminationReason == .uncaughtSignal
        ? 128 + process.terminationStatus : process.terminationStatus,
      standardOutput: String(decoding: try Data(contentsOf: out), as: UTF8.self),
      standardError: String(decoding: try Data(contentsOf: err), as: UTF8.self)
    )
  }
}

/// Removes a folder that this program made; one left behind is only litter.
package func removeFolder(_ folder: URL) {
  do {
    try FileManager.default.removeItem(at: folder)
  } catch {
    FileHandle.standardError.write(Data("could not remove \(folder.path)\n".utf8))
  }
}
