internal import Foundation
internal import Glibc

/// A program in a terminal of its own (a pseudoterminal, pty(7)), as a person uses it.
package actor TerminalSession {
  private let name: String
  private let process = Process()
  /// The person's side; reads never block.
  private let master: FileHandle
  private var bytes: [UInt8] = []

  // ioctl_tty(2); the C library's own calls for it are not imported.
  private static let setLock: UInt = 0x4004_5431
  private static let getNumber: UInt = 0x8004_5430

  /// Starts the program at `path` with the terminal as its standard input, output and error.
  package init(
    _ name: String,
    path: String,
    arguments: [String],
    environment: [String: String] = [:]
  ) throws {
    self.name = name
    let descriptor = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC)
    var (locked, number) = (Int32(0), UInt32(0))
    guard descriptor >= 0, ioctl(descriptor, Self.setLock, &locked) == 0,
      ioctl(descriptor, Self.getNumber, &number) == 0
    else { throw ScenarioFailure("no pseudoterminal can be had") }
    let slave = open("/dev/pts/\(number)", O_RDWR | O_NOCTTY | O_CLOEXEC)
    guard slave >= 0, fcntl(descriptor, F_SETFL, O_NONBLOCK) == 0 else {
      throw ScenarioFailure("the pseudoterminal can't be opened")
    }
    master = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
    let terminal = FileHandle(fileDescriptor: slave, closeOnDealloc: true)
    process.executableURL = URL(filePath: path)
    process.arguments = arguments
    process.environment = ProcessInfo.processInfo.environment
      .filter { !$0.key.hasPrefix("BINDERY_") }
      .merging(environment, uniquingKeysWith: { $1 })
    process.standardInput = terminal
    process.standardOutput = terminal
    process.standardError = terminal
    try process.run()
  }

  /// All that stands on the screen, what was typed included.
  package func screen() -> String {
    var chunk = [UInt8](repeating: 0, count: 4096)
    while true {
      let count = read(master.fileDescriptor, &chunk, chunk.count)
      guard count > 0 else { break }
      bytes += chunk[..<count]
    }
    return String(decoding: bytes, as: UTF8.self).replacing("\r\n", with: "\n")
  }

  /// Types keys, e.g. a line with "\n" behind it; "\u{4}" is Ctrl-D.
  package func type(_ keys: String) throws {
    try master.write(contentsOf: Data(keys.utf8))
  }

  /// Waits until the screen fulfils a condition.
  package func wait(
    until what: String,
    within limit: Duration = .seconds(20),
    _ condition: @Sendable (String) -> Bool
  ) async throws {
    do {
      try await waitUntil(what, within: limit) { condition(screen()) }
    } catch {
      throw ScenarioFailure("\(error); the screen of \(name):\n\(screen())")
    }
  }

  /// Waits until the program has ended; kills it when it has not within `limit`.
  package func exitStatus(within limit: Duration = .seconds(20)) async throws -> Int32 {
    do {
      try await waitUntil("\(name) ends", within: limit) {
        _ = screen()
        return !process.isRunning
      }
    } catch {
      kill(process.processIdentifier, SIGKILL)
      throw error
    }
    return process.terminationStatus
  }
}
