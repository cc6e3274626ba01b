internal import AsyncHTTPClient
internal import Codecs
internal import Domain
internal import NIOCore
internal import NIOHTTP1

/// Sends a tool's request and reads its answer.
enum ToolResponse {
  /// The answer's text; "null" for an empty one.
  static func read(
    _ request: HTTPClientRequest,
    _ client: HTTPClient,
    _ tool: ToolSpec
  ) async throws -> String {
    // The caller's deadline is the nearer one.
    let limit = TimeAmount.milliseconds(Int64(max(1, tool.timeoutMS)) + 1_000)
    let response = try await send(request, client, limit)
    guard (200 ..< 300).contains(response.status.code) else {
      throw ToolFailure(.status(Int(response.status.code)))
    }
    var bytes = ByteBuffer()
    do {
      for try await var piece in response.body {
        guard bytes.readableBytes + piece.readableBytes <= tool.maxResultBytes else {
          throw ToolFailure(.tooLarge(limit: tool.maxResultBytes))
        }
        bytes.writeBuffer(&piece)
      }
    } catch let failure as ToolFailure {
      throw failure
    } catch {
      throw try failure(error, orElse: .cut)
    }
    return try text(bytes, type: response.headers.first(name: "content-type") ?? "")
  }

  private static func send(
    _ request: HTTPClientRequest,
    _ client: HTTPClient,
    _ limit: TimeAmount
  ) async throws -> HTTPClientResponse {
    do {
      return try await client.execute(request, timeout: limit)
    } catch let error as HTTPClientError {
      switch error {
      case .deadlineExceeded, .readTimeout, .writeTimeout: throw ToolFailure(.timedOut)
      case .remoteConnectionClosed: throw ToolFailure(.cut)
      default: throw try failure(error, orElse: .unreachable)
      }
    } catch {
      throw try failure(error, orElse: .unreachable)
    }
  }

  /// Passes a cancellation on as one.
  private static func failure(
    _ error: any Error,
    orElse code: ToolFailure.Code
  ) throws -> ToolFailure {
    if Task.isCancelled || error is CancellationError { throw CancellationError() }
    return ToolFailure(code)
  }

  private static func text(_ bytes: ByteBuffer, type: String) throws(ToolFailure) -> String {
    guard let text = String(validating: bytes.readableBytesView, as: UTF8.self) else {
      throw ToolFailure(.notText)
    }
    guard !text.isEmpty else { return "null" }
    let media = type.prefix { $0 != ";" }.lowercased()
    guard media.hasSuffix("/json") || media.hasSuffix("+json") else { return text }
    do {
      _ = try JSONText.parse(text)
    } catch {
      throw ToolFailure(.notJSON)
    }
    return text
  }
}
