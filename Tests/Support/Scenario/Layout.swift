package import Foundation

/// Where the programs, PostgreSQL and the sample configuration are.
package struct Layout: Sendable {
  /// Root of the repository.
  package var repository: URL
  /// Folder of the built programs.
  package var programs: URL

  package init(repository: URL, programs: URL) {
    self.repository = repository
    self.programs = programs
  }

  /// The repository that this file was built from, and the folder of the program that runs.
  ///
  /// `BINDERY_BINARIES` names another folder of programs.
  package static func ofThisBuild(file: String = #filePath) throws -> Layout {
    var repository = URL(filePath: file)
    while repository.path != "/",
      !FileManager.default.fileExists(atPath: repository.appending(path: "Package.swift").path)
    {
      repository.deleteLastPathComponent()
    }
    if let folder = ProcessInfo.processInfo.environment["BINDERY_BINARIES"] {
      return Layout(repository: repository, programs: URL(filePath: folder))
    }
    let own = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
    return Layout(
      repository: repository,
      programs: URL(filePath: own).deletingLastPathComponent()
    )
  }

  package var sample: URL { repository.appending(path: "Tests/Fixtures/sample") }

  /// Folder with `postgres`, `initdb`, `psql`.
  package var postgres: URL { repository.appending(path: ".bindery/postgres/bin") }

  /// Path of a built program.
  package func program(_ name: String) throws -> String {
    let path = programs.appending(path: name).path
    guard FileManager.default.isExecutableFile(atPath: path) else {
      throw ScenarioFailure(
        "\(path) is missing",
        hint: "build it: swift build --product \(name)"
      )
    }
    return path
  }
}

/// Why a step did not go as it must.
package struct ScenarioFailure: Error, CustomStringConvertible {
  package var message: String
  package var hint: String?

  package init(_ message: String, hint: String? = nil) {
    self.message = message
    self.hint = hint
  }

  package var description: String {
    guard let hint else { return message }
    return "\(message); \(hint)"
  }
}

/// Throws unless `condition` holds.
package func require(
  _ condition: Bool,
  _ message: @autoclosure () -> String
) throws {
  guard condition else { throw ScenarioFailure(message()) }
}
