package import Domain
internal import Foundation

/// Runs the program `bindery` as an operator would.
package struct CommandLineTool: Sendable {
  private let path: String
  private let environment: [String: String]

  /// - Parameters:
  ///   - control: Address of the control plane.
  ///   - token: Access token; nil for none, whatever lies in the user's home.
  package init(path: String, control: String, token: String? = nil) {
    self.path = path
    var environment = ["BINDERY_CONTROL": control, "HOME": "/nonexistent"]
    environment["BINDERY_TOKEN"] = token
    self.environment = environment
  }

  /// Runs a command to its end, whatever its status.
  package func run(
    _ arguments: [String],
    input: String? = nil,
    within limit: Duration = .seconds(40)
  ) async throws -> Completed {
    try await Completed.run(
      "bindery \(arguments.first ?? "")",
      path: path,
      arguments: arguments,
      environment: environment,
      input: input,
      within: limit
    )
  }

  /// Runs a command in a terminal.
  package func terminal(_ arguments: [String]) throws -> TerminalSession {
    try TerminalSession(
      "bindery \(arguments.first ?? "")",
      path: path,
      arguments: arguments,
      environment: environment
    )
  }

  /// Runs a command that must succeed, and reads the JSON that it prints.
  package func json(
    _ arguments: [String],
    within limit: Duration = .seconds(40)
  ) async throws -> JSONValue {
    let completed = try await run(arguments + ["--output", "json"], within: limit)
    guard completed.status == 0 else {
      throw ScenarioFailure(
        "bindery \(arguments.joined(separator: " ")) ended with status \(completed.status): "
          + completed.standardError + completed.standardOutput
      )
    }
    return try JSONDecoder().decode(JSONValue.self, from: Data(completed.standardOutput.utf8))
  }
}
