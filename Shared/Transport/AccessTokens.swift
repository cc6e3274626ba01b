internal import Foundation
package import GRPCCore
internal import Synchronization

/// Why there is no token to show; one line, without the token.
package struct AccessTokenUnreadable: Error, Hashable, CustomStringConvertible {
  package let message: String
  package var description: String { message }
}

/// A file with an access token. It is read again when it has changed, so that a token can be renewed
/// while its program runs.
package final class AccessTokenFile: Sendable {
  /// What tells one content of the file from another.
  private struct Stamp: Hashable {
    var inode: UInt64
    var size: Int64
    var seconds: Int
    var nanoseconds: Int
  }

  private let path: String
  private let known = Mutex<(stamp: Stamp, token: String)?>(nil)

  package init(_ path: String) { self.path = path }

  /// The token that the file holds now.
  @Sendable package func token() throws(AccessTokenUnreadable) -> String {
    let stamp = try stamp()
    if let known = known.withLock({ $0 }), known.stamp == stamp { return known.token }
    guard let data = FileManager.default.contents(atPath: path) else { throw unreadable }
    let token = try Self.read(String(decoding: data, as: UTF8.self), from: "token file \(path)")
    known.withLock { $0 = (stamp, token) }
    return token
  }

  /// - Parameter place: Where the text stands, for the error.
  package static func read(
    _ text: String,
    from place: String
  ) throws(AccessTokenUnreadable) -> String {
    let token = text.trimmingCharacters(in: .whitespacesAndNewlines)
    // More would be no header's value, and no access token has it.
    guard (1 ... 4096).contains(token.utf8.count),
      token.utf8.allSatisfy({ (0x21 ... 0x7E).contains($0) })
    else {
      throw AccessTokenUnreadable(
        message: "\(place) must hold one access token, which starts with 'bnd_'"
      )
    }
    return token
  }

  private func stamp() throws(AccessTokenUnreadable) -> Stamp {
    var found = stat()
    guard stat(path, &found) == 0 else { throw unreadable }
    return Stamp(
      inode: UInt64(found.st_ino),
      size: Int64(found.st_size),
      seconds: found.st_mtim.tv_sec,
      nanoseconds: found.st_mtim.tv_nsec
    )
  }

  private var unreadable: AccessTokenUnreadable {
    AccessTokenUnreadable(
      message:
        "token file \(path) can't be read; write an access token there, readable for this user"
    )
  }
}

/// Shows an access token with every call (RFC 6750: "authorization: Bearer …").
package struct AccessTokenInterceptor: ClientInterceptor {
  package typealias Token = @Sendable () throws(AccessTokenUnreadable) -> String

  private let token: Token

  /// - Parameter token: Asked for each call.
  package init(token: @escaping Token) { self.token = token }

  package func intercept<Input: Sendable, Output: Sendable>(
    request: StreamingClientRequest<Input>,
    context: ClientContext,
    next:
      @concurrent (
        _ request: StreamingClientRequest<Input>,
        _ context: ClientContext
      ) async throws -> StreamingClientResponse<Output>
  ) async throws -> StreamingClientResponse<Output> {
    var request = request
    do {
      request.metadata.addString("Bearer \(try token())", forKey: "authorization")
    } catch {
      throw RPCError(code: .unauthenticated, message: error.message)
    }
    return try await next(request, context)
  }
}
