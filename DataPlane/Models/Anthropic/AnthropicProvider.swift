package import AsyncHTTPClient
internal import Foundation
internal import NIOCore
internal import NIOHTTP1

/// The Messages API, streamed.
package struct AnthropicProvider: ModelProvider {
  package let name = "anthropic"
  private let configuration: AnthropicConfiguration
  private let client: HTTPClient

  /// - Parameter client: from `ModelHTTPClient.make`, which follows no redirects: one would carry
  ///   the key to another host. Shut down by its owner.
  package init(configuration: AnthropicConfiguration, client: HTTPClient) {
    self.configuration = configuration
    self.client = client
  }

  package func run(
    _ request: ModelRequest,
    credentials: ModelCredentials?,
    onText: (String) async throws -> Void
  ) async throws(ModelFailure) -> ModelAnswer {
    guard let credentials else {
      throw ModelFailure(
        kind: .rejected,
        message:
          "there is no key: write the tenant's secret anthropic_api_key, or BINDERY_ANTHROPIC_API_KEY",
        afterOutput: false,
        usage: ModelUsage(source: .estimated),
        model: request.model
      )
    }
    var call = AnthropicCall(request)
    do {
      let http = httpRequest(request, credentials)
      return try await HTTPExchange.run(
        http,
        client: client,
        timeouts: configuration.timeouts,
        maxBytes: configuration.maxResponseBytes
      ) { part, deadline in
        try await call.receive(part, deadline, configuration.timeouts, onText)
      } finish: { failure in
        try call.finish(failure)
      }
    } catch let failure as ModelFailure {
      throw failure
    } catch {
      // What `onText` threw: the caller wants no more.
      throw call.failure(.cancelled, "the caller ended the call")
    }
  }

  private func httpRequest(
    _ request: ModelRequest,
    _ credentials: ModelCredentials
  ) -> HTTPClientRequest {
    var http = HTTPClientRequest(url: configuration.baseURL + "/v1/messages")
    http.method = .POST
    http.headers = [
      "x-api-key": credentials.apiKey,
      "anthropic-version": configuration.version,
      "content-type": "application/json",
      "accept": "text/event-stream",
      "user-agent": "bindery-node",
    ]
    http.body = .bytes(ByteBuffer(string: AnthropicRequestBody.text(request)))
    return http
  }
}
