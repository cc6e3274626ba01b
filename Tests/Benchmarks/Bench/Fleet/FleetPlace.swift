internal import Foundation
internal import Scenario
internal import Wire
internal import WireServices

/// Control planes and a crowd of nodes, each a process.
struct FleetPlace {
  static let operatorPort = 7970
  static let servingPort = 7980

  let place: BenchPlace
  let folder: URL

  /// The control plane that runs the database, and that edits go to.
  func startOperator() async throws -> Program {
    try await place.start(
      "bindery-control",
      [
        "--grpc", "127.0.0.1:\(Self.operatorPort)", "--http",
        "127.0.0.1:\(Self.operatorPort + 1)", "--data-dir", folder.appending(path: "control").path,
        "--postgres-binaries", try place.layout().postgres.path,
      ],
      as: "operator",
      in: folder
    )
  }

  /// Another one on the same database, which serves the nodes.
  func startServing(_ name: String) async throws -> Program {
    let path = folder.appending(path: "control/postgres.conninfo")
    let superuser = String(decoding: try Data(contentsOf: path), as: UTF8.self)
      .trimmingCharacters(in: .whitespacesAndNewlines)
    return try await place.start(
      "bindery-control",
      [
        "--grpc", "127.0.0.1:\(Self.servingPort)", "--http", "127.0.0.1:\(Self.servingPort + 1)",
        "--data-dir", folder.appending(path: "serving").path, "--database-url",
        superuser.replacing("user=postgres", with: "user=bindery_daemon"),
        "--database-migration-url", superuser,
      ],
      as: name,
      in: folder
    )
  }

  func startNodes(_ count: Int, _ more: [String]) throws -> Program {
    try Program(
      "nodes",
      path: try place.layout().program("bindery-bench"),
      arguments: ["fleet-nodes", "--port", "\(Self.servingPort)", "--count", "\(count)"] + more,
      log: folder.appending(path: "nodes-\(UUID().uuidString.prefix(8)).log")
    )
  }

  /// When the nodes were current, and what they read.
  struct Current {
    var first: UInt64
    var median: UInt64
    var last: UInt64
    var bytes: Int
    var began: UInt64
  }

  func current(_ nodes: Program) async throws -> Current {
    try await waitFor("all nodes are current", within: .seconds(300)) {
      if let status = nodes.exitStatus {
        throw BenchFailure("nodes ended: \(status) \(nodes.tail())")
      }
      for line in nodes.output.split(separator: "\n") where line.hasPrefix("current ") {
        let numbers = line.split(separator: " ").dropFirst().compactMap { UInt64($0) }
        guard numbers.count == 5 else { continue }
        return Current(
          first: numbers[0],
          median: numbers[1],
          last: numbers[2],
          bytes: Int(numbers[3]),
          began: numbers[4]
        )
      }
      return nil
    }
  }

  /// Applies documents in one commit.
  @discardableResult
  func apply(_ documents: [Bindery_V1_Document]) async throws -> Bindery_V1_ApplyResponse {
    try await withClient(port: Self.operatorPort) { client in
      var request = Bindery_V1_ApplyRequest()
      request.documents = documents
      request.author = "bench"
      let response = try await Bindery_V1_Admin.Client(wrapping: client).apply(request)
      guard response.ok else {
        throw BenchFailure("not applied: \(response.diagnostics.first?.message ?? "")")
      }
      return response
    }
  }
}
