import AsyncHTTPClient
import Models
import Support
import Synchronization

/// One call of a provider to a server that writes what a test wants.
struct VendorCall: Sendable {
  var result: Result<ModelAnswer, ModelFailure>
  var pieces: [String]
  var requests: [ScriptedRequest]

  var failure: ModelFailure? {
    guard case .failure(let failure) = result else { return nil }
    return failure
  }

  static let timeouts = ModelTimeouts(
    firstToken: .seconds(10),
    stall: .seconds(10),
    total: .seconds(30)
  )

  static func run(
    _ steps: [ScriptedServer.Step],
    request: ModelRequest,
    key: String? = "key-1",
    dialect: (_ url: String) -> some ModelDialect
  ) async throws -> VendorCall {
    let client = ModelHTTPClient.make()
    let pieces = Mutex<[String]>([])
    let call = try await ScriptedServer.with({ _, _ in steps }) { server in
      let provider = HTTPModelProvider(dialect(server.url), client: client)
      let result: Result<ModelAnswer, ModelFailure>
      do throws(ModelFailure) {
        let answer = try await provider.run(
          request,
          credentials: key.map { ModelCredentials(apiKey: $0) }
        ) { piece in pieces.withLock { $0.append(piece) } }
        result = .success(answer)
      } catch {
        result = .failure(error)
      }
      return VendorCall(result: result, pieces: [], requests: server.requests)
    }
    try await client.shutdown()
    return VendorCall(
      result: call.result,
      pieces: pieces.withLock { $0 },
      requests: call.requests
    )
  }
}
