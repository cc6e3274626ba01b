package import AsyncHTTPClient
internal import Foundation
internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix

/// One HTTP exchange whose body is read as it comes, under a deadline that progress moves on.
///
/// A child task reads into a stream whose bytes are bounded by `maxBytes`; another watches the
/// deadline; the caller's own task takes the parts, so that its closures need not be `Sendable`.
enum HTTPExchange {
  enum Part: Sendable {
    case head(status: Int, headers: HTTPHeaders)
    case bytes(ByteBuffer)
    /// The body ended as its framing says that it should.
    case end
  }

  enum End: Error, Hashable, Sendable {
    case complete
    case cancelled
    case timedOut
    case tooLong
    /// No connection, so nothing was sent.
    case unreachable(String)
    /// The request could not be written, so nothing was sent.
    case invalid(String)
    /// The connection broke after the request was sent.
    case broken
  }

  /// How long to wait for the end of a body whose content is whole already, so that its connection
  /// can be used again.
  private static let grace = Duration.milliseconds(250)

  /// - Parameters:
  ///   - receive: gets each part; returns true once it needs no more.
  ///   - finish: gets how the exchange ended and makes the result.
  static func run<Result>(
    _ request: HTTPClientRequest,
    client: HTTPClient,
    timeouts: ModelTimeouts,
    maxBytes: Int,
    receive: (Part, ProgressDeadline) async throws -> Bool,
    finish: (End) throws -> Result
  ) async throws -> Result {
    let deadline = ProgressDeadline(
      first: timeouts.firstToken,
      total: timeouts.total,
      step: min(timeouts.stall / 4, .milliseconds(100))
    )
    let (parts, feed) = AsyncThrowingStream<Part, any Error>.makeStream()
    return try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask {
        feed.finish(throwing: await read(request, client, timeouts, maxBytes) { feed.yield($0) })
      }
      group.addTask {
        if await deadline.expired() { feed.finish(throwing: End.timedOut) }
      }
      defer { group.cancelAll() }
      var isWhole = false
      var end = End.complete
      do {
        for try await part in parts where !isWhole {
          isWhole = try await receive(part, deadline)
          if isWhole { deadline.extend(by: grace) }
        }
        if Task.isCancelled { end = .cancelled } else { _ = try await receive(.end, deadline) }
      } catch let error as End {
        end = error
      }
      return try finish(end)
    }
  }

  /// nil after a whole response.
  private static func read(
    _ request: HTTPClientRequest,
    _ client: HTTPClient,
    _ timeouts: ModelTimeouts,
    _ maxBytes: Int,
    yield: @Sendable (Part) -> Void
  ) async -> End? {
    var hasHead = false
    do {
      let time = TimeAmount.milliseconds(Int64(timeouts.total / .milliseconds(1)) + 1000)
      let response = try await client.execute(request, timeout: time)
      hasHead = true
      yield(.head(status: Int(response.status.code), headers: response.headers))
      var count = 0
      for try await bytes in response.body {
        count += bytes.readableBytes
        guard count <= maxBytes else { return .tooLong }
        yield(.bytes(bytes))
      }
      return Task.isCancelled ? .cancelled : nil
    } catch is CancellationError {
      return .cancelled
    } catch let error as HTTPClientError where !hasHead {
      switch error {
      case .connectTimeout: return .unreachable("it could not be made in time")
      case .cancelled: return .cancelled
      case .invalidURL, .emptyHost, .emptyScheme, .missingSocketPath:
        return .invalid(error.shortDescription)
      case .getConnectionFromPoolTimeout, .socksHandshakeTimeout, .tlsHandshakeTimeout,
        .httpProxyHandshakeTimeout:
        return .unreachable(error.shortDescription)
      default:
        // Nobody knows how much of it was read.
        return .broken
      }
    } catch let error as IOError where !hasHead && ![ECONNRESET, EPIPE].contains(error.errnoCode) {
      return .unreachable("it was refused or got no answer")
    } catch let error as NIOConnectionError {
      return .unreachable(
        error.connectionErrors.isEmpty ? "the name is unknown" : "it was refused or got no answer"
      )
    } catch {
      return .broken
    }
  }
}

/// The client that providers share.
package enum ModelHTTPClient {
  /// A client without redirects; the caller shuts it down.
  /// - Parameter connections: most connections kept for one host.
  package static func make(connections: Int = 64) -> HTTPClient {
    var configuration = HTTPClient.Configuration(
      redirectConfiguration: .disallow,
      timeout: .init(connect: .seconds(5))
    )
    configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = connections
    configuration.connectionPool.retryConnectionEstablishment = false
    return HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
  }
}
