package import AsyncHTTPClient
package import Foundation
package import NIOHTTP1

/// The Chat Completions API as OpenAI, Sarvam, vLLM, Ollama, llama.cpp and LiteLLM speak it.
package struct ChatDialect: ModelDialect {
  /// Where they differ.
  package enum Flavour: Hashable, Sendable {
    case openAI
    /// Key in a header of its own; v1 knows no `stream_options`.
    case sarvam
    /// A server of the operator's: a key only where one is set, and the older name of the limit.
    case compatible
  }

  package let name: String
  package let endpoint: ModelEndpoint
  let flavour: Flavour
  package var needsKey: Bool { flavour != .compatible }

  /// - Parameter endpoint: up to and including the version, for example "http://127.0.0.1:8000/v1".
  package init(_ name: String, _ flavour: Flavour, _ endpoint: ModelEndpoint) {
    self.name = name
    self.flavour = flavour
    self.endpoint = endpoint
  }

  package static func openAI(
    _ endpoint: ModelEndpoint = ModelEndpoint("https://api.openai.com/v1")
  ) -> ChatDialect {
    ChatDialect("openai", .openAI, endpoint)
  }

  package static func sarvam(
    _ endpoint: ModelEndpoint = ModelEndpoint("https://api.sarvam.ai/v1")
  ) -> ChatDialect {
    ChatDialect("sarvam", .sarvam, endpoint)
  }

  package typealias Stream = ChatStream

  package func httpRequest(_ request: ModelRequest, key: String?) -> HTTPClientRequest {
    var http = post(
      "/chat/completions",
      body: ChatRequestBody.text(request, flavour),
      streams: request.streams
    )
    if let key {
      switch flavour {
      case .sarvam: http.headers.add(name: "api-subscription-key", value: key)
      case .openAI, .compatible: http.headers.add(name: "authorization", value: "Bearer \(key)")
      }
    }
    return http
  }

  package func fault(status: Int, headers: HTTPHeaders, body: String, now: Date) -> ModelFault {
    ChatFault.of(status: status, headers: headers, body: body, now: now)
  }

  package func requestID(_ headers: HTTPHeaders) -> String {
    headers.first(name: "x-request-id") ?? ""
  }
}
