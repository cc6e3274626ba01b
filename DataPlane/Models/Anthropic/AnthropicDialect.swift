package import AsyncHTTPClient
package import Foundation
package import NIOHTTP1

/// The Messages API.
package struct AnthropicDialect: ModelDialect {
  package let name = "anthropic"
  package let endpoint: ModelEndpoint
  /// Header `anthropic-version`.
  private let version: String
  package var needsKey: Bool { true }

  package init(
    _ endpoint: ModelEndpoint = ModelEndpoint("https://api.anthropic.com"),
    version: String = "2023-06-01"
  ) {
    self.endpoint = endpoint
    self.version = version
  }

  package typealias Stream = AnthropicStream

  package func httpRequest(_ request: ModelRequest, key: String?) -> HTTPClientRequest {
    var http = post(
      "/v1/messages",
      body: AnthropicRequestBody.text(request),
      streams: request.streams
    )
    http.headers.add(name: "anthropic-version", value: version)
    if let key { http.headers.add(name: "x-api-key", value: key) }
    return http
  }

  package func fault(status: Int, headers: HTTPHeaders, body: String, now: Date) -> ModelFault {
    AnthropicFault.of(status: status, headers: headers, body: body, now: now)
  }

  package func requestID(_ headers: HTTPHeaders) -> String {
    headers.first(name: "request-id") ?? ""
  }
}
