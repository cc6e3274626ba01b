package import AsyncHTTPClient
package import Foundation
package import NIOHTTP1

/// Google's Gemini API.
package struct GeminiDialect: ModelDialect {
  package let name = "google"
  package let endpoint: ModelEndpoint
  package var needsKey: Bool { true }

  package init(
    _ endpoint: ModelEndpoint = ModelEndpoint("https://generativelanguage.googleapis.com/v1beta")
  ) {
    self.endpoint = endpoint
  }

  package typealias Stream = GeminiStream

  package func httpRequest(_ request: ModelRequest, key: String?) -> HTTPClientRequest {
    let model =
      request.model.addingPercentEncoding(
        withAllowedCharacters: .alphanumerics.union(["-", ".", "_"])
      )
      ?? request.model
    let method = request.streams ? "streamGenerateContent?alt=sse" : "generateContent"
    var http = post(
      "/models/\(model):\(method)",
      body: GeminiRequestBody.text(request),
      streams: request.streams
    )
    if let key { http.headers.add(name: "x-goog-api-key", value: key) }
    return http
  }

  package func fault(status: Int, headers: HTTPHeaders, body: String, now: Date) -> ModelFault {
    GeminiFault.of(status: status, headers: headers, body: body, now: now)
  }

  /// The API tells it in its body.
  package func requestID(_ headers: HTTPHeaders) -> String { "" }
}
