internal import AsyncHTTPClient
package import Domain
package import Foundation
internal import NIOCore
internal import NIOHTTP1

/// What a server answered.
package struct HTTPAnswer: Sendable {
  package var status: Int
  /// Names in lower case.
  package var headers: [(name: String, value: String)]
  package var body: Data

  package var text: String { String(decoding: body, as: UTF8.self) }

  package func json() throws -> JSONValue {
    try JSONDecoder().decode(JSONValue.self, from: body)
  }
}

/// One plain HTTP call.
///
/// - Parameter tellsLength: False sends the body in chunks, without its length.
package func httpCall(
  _ method: String,
  _ url: String,
  headers: [String: String] = [:],
  body: Data? = nil,
  tellsLength: Bool = true,
  within limit: Duration = .seconds(20)
) async throws -> HTTPAnswer {
  var request = HTTPClientRequest(url: url)
  request.method = HTTPMethod(rawValue: method)
  for (name, value) in headers { request.headers.replaceOrAdd(name: name, value: value) }
  if let body {
    request.body =
      tellsLength ? .bytes(ByteBuffer(bytes: body)) : .bytes(Array(body), length: .unknown)
  }
  let response: HTTPClientResponse
  do {
    response = try await HTTPClient.shared.execute(
      request,
      timeout: .nanoseconds(Int64(limit / .nanoseconds(1)))
    )
  } catch {
    throw ScenarioFailure("\(method) \(url): \(error)")
  }
  let bytes = try await response.body.collect(upTo: 64 << 20)
  return HTTPAnswer(
    status: Int(response.status.code),
    headers: response.headers.map { ($0.name.lowercased(), $0.value) },
    body: Data(bytes.readableBytesView)
  )
}
