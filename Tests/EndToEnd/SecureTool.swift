import Domain
import Foundation
import Scenario
import TLSSupport

/// The certificates of a suite, below its stack's folder.
struct Certificates {
  let folder: URL

  init(below folder: URL) { self.folder = folder.appending(path: "tls") }

  var root: String { folder.appending(path: "root.pem").path }
  func certificate(_ name: String) -> String { folder.appending(path: "\(name).pem").path }
  func key(_ name: String) -> String { folder.appending(path: "\(name).key").path }

  func issue() throws {
    let authority = try TestAuthority()
    _ = try authority.issue("server")
    // Bound to a tenant that does not exist.
    _ = try authority.issue(
      "bound",
      names: ["URI:bindery:node:edge-7?region=local&tenant=\(TenantID(UUID()))"]
    )
    _ = try authority.issue(
      "spiffe",
      names: ["URI:spiffe://example.org/region/local/node/edge-8"]
    )
    _ = try authority.issue("nobody", commonName: "edge-9", names: ["DNS:edge-9"])
    try FileManager.default.copyItem(atPath: authority.folder, toPath: folder.path)
  }
}

extension Stack {
  /// The platform's administrator, over TLS.
  nonisolated func secureTool() throws -> SecureTool {
    SecureTool(tool: try tool(token: adminToken()), root: Certificates(below: folder).root)
  }
}

struct SecureTool {
  var tool: CommandLineTool
  var root: String

  func json(_ arguments: [String]) async throws -> JSONValue {
    try await tool.json(arguments + ["--tls-ca", root])
  }
}
