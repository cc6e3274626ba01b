internal import Foundation
internal import HTTPTypes
internal import Hummingbird
internal import NIOCore

/// Reads a request's body up to a limit.
enum EdgeBody {
  /// nil when it is longer. The length that the sender tells is looked at first.
  static func collect(_ request: Request, upTo limit: Int) async throws -> Data? {
    if let told = request.headers[.contentLength], let length = Int(told), length > limit {
      return nil
    }
    var body = Data()
    for try await chunk in request.body {
      guard body.count + chunk.readableBytes <= limit else { return nil }
      body.append(contentsOf: chunk.readableBytesView)
    }
    return body
  }
}
