internal import Foundation
internal import Scenario

/// etcd on a folder of its own, as a peer.
enum EtcdServer {
  /// Starts it and waits until it answers; it takes the next port too.
  static func start(port: Int, _ folder: URL) async throws -> Program {
    let path = "/usr/bin/etcd"
    guard FileManager.default.isExecutableFile(atPath: path) else {
      throw BenchFailure("\(path) is missing: apt-get install etcd-server")
    }
    let url = "http://127.0.0.1:\(port)"
    let program = try Program(
      "etcd",
      path: path,
      arguments: [
        "--data-dir", folder.appending(path: "etcd-\(UUID().uuidString.prefix(8))").path,
        "--listen-client-urls", url, "--advertise-client-urls", url, "--listen-peer-urls",
        "http://127.0.0.1:\(port + 1)", "--log-level", "error",
      ],
      log: folder.appending(path: "etcd.log")
    )
    try await waitUntil("etcd answers", within: .seconds(20)) {
      do {
        return try await httpCall("GET", url + "/health", within: .seconds(1)).status == 200
      } catch is ScenarioFailure {
        return false
      }
    }
    return program
  }
}
