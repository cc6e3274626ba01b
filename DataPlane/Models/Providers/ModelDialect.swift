package import AsyncHTTPClient
package import Foundation
internal import NIOCore
package import NIOHTTP1

/// A vendor's wire format: how a call is written, how its answer and its refusals are read. No I/O.
package protocol ModelDialect: Sendable {
  associatedtype Stream: AnswerStream

  /// As the alias tables name the provider.
  var name: String { get }
  var endpoint: ModelEndpoint { get }
  /// Whether a call without a key is refused here, before it is sent.
  var needsKey: Bool { get }

  /// The same request makes the same bytes on every node, so that the vendors' prompt caches hit.
  func httpRequest(_ request: ModelRequest, key: String?) -> HTTPClientRequest

  /// What a response means whose status is not 200.
  func fault(status: Int, headers: HTTPHeaders, body: String, now: Date) -> ModelFault

  /// The vendor's name for the call; empty when the headers tell none.
  func requestID(_ headers: HTTPHeaders) -> String
}

extension ModelDialect {
  /// An answer in one piece has no first token before it is whole.
  func timeouts(for request: ModelRequest) -> ModelTimeouts {
    var timeouts = endpoint.timeouts
    if !request.streams {
      timeouts.firstToken = timeouts.total
      timeouts.stall = timeouts.total
    }
    return timeouts
  }

  /// The head that all vendors' calls share.
  func post(_ path: String, body: String, streams: Bool) -> HTTPClientRequest {
    var http = HTTPClientRequest(url: endpoint.baseURL + path)
    http.method = .POST
    http.headers = [
      "content-type": "application/json",
      "accept": streams ? "text/event-stream" : "application/json",
      "user-agent": "bindery-node",
    ]
    http.body = .bytes(.init(string: body))
    return http
  }
}
