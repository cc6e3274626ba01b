import Domain
import Foundation
import Scenario

extension Stack {
  /// What the control plane wrote at its first start.
  nonisolated func adminToken() throws -> String {
    let file = folder.appending(path: "admin.token")
    return String(decoding: try Data(contentsOf: file), as: UTF8.self)
      .trimmingCharacters(in: .whitespacesAndNewlines)
  }

  nonisolated func makeToken(_ arguments: [String]) async throws -> (id: String, text: String) {
    let made = try await tool(token: adminToken()).json(["token", "create"] + arguments)
    guard let id = made["token"]?["id"]?.stringValue, let text = made["secret"]?.stringValue else {
      throw ScenarioFailure("no token: \(made)")
    }
    return (id, text)
  }

  /// Names of the nodes that are connected.
  nonisolated func connected(_ token: String) async throws -> [String] {
    let nodes = try await tool(token: token).json(["nodes"])["nodes"]?.arrayValue ?? []
    return nodes.filter { $0["connected"] == true }.compactMap { $0["node"]?.stringValue }
  }
}
