internal import Foundation
internal import NIOCore
internal import NIOPosix
internal import Synchronization

/// A request as it came over the socket.
package struct ScriptedRequest: Sendable {
  /// "POST /v1/messages HTTP/1.1"
  package var line: String
  /// Names in lower case.
  package var headers: [String: String]
  package var body: String
}

/// An HTTP/1.1 server that writes exactly the bytes that a test wants, and remembers the requests.
/// Each connection carries one response.
package final class ScriptedServer: Sendable {
  package enum Step: Sendable {
    case bytes(String)
    /// Keeps the connection open until the client closes it.
    case stall
    /// Keeps the connection open for a while.
    case pause(Duration)
  }

  private typealias Channel = NIOAsyncChannel<ByteBuffer, ByteBuffer>

  package let port: Int
  private let listener: NIOAsyncChannel<Channel, Never>
  private let seen = Mutex<[ScriptedRequest]>([])
  private let respond: @Sendable (ScriptedRequest, Int) -> [Step]

  /// All requests so far.
  package var requests: [ScriptedRequest] { seen.withLock { $0 } }
  package var url: String { "http://127.0.0.1:\(port)" }

  private init(
    _ listener: NIOAsyncChannel<Channel, Never>,
    _ respond: @escaping @Sendable (ScriptedRequest, Int) -> [Step]
  ) {
    self.listener = listener
    self.respond = respond
    port = listener.channel.localAddress?.port ?? 0
  }

  /// Runs a server for as long as `body` runs.
  ///
  /// - Parameter respond: gets the request and how many came before it.
  package static func with<Value: Sendable>(
    _ respond: @escaping @Sendable (ScriptedRequest, Int) -> [Step],
    _ body: (ScriptedServer) async throws -> Value
  ) async throws -> Value {
    let listener = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
      .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
      .childChannelOption(.allowRemoteHalfClosure, value: true)
      .bind(host: "127.0.0.1", port: 0) { channel in
        channel.eventLoop.makeCompletedFuture {
          try Channel(wrappingChannelSynchronously: channel)
        }
      }
    let server = ScriptedServer(listener, respond)
    return try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await server.serve() }
      defer { group.cancelAll() }
      return try await body(server)
    }
  }

  private func serve() async throws {
    try await listener.executeThenClose { connections in
      try await withThrowingDiscardingTaskGroup { group in
        for try await connection in connections {
          group.addTask {
            do {
              try await self.answer(connection)
            } catch {
              // The client went away: its test says whether it should have.
            }
          }
        }
      }
    }
  }

  private func answer(_ connection: Channel) async throws {
    try await connection.executeThenClose { inbound, outbound in
      var bytes = ByteBuffer()
      var parts = inbound.makeAsyncIterator()
      var request: ScriptedRequest?
      while request == nil, var part = try await parts.next() {
        bytes.writeBuffer(&part)
        request = Self.parse(bytes)
      }
      guard let request else { return }
      let count = seen.withLock { seen in
        seen.append(request)
        return seen.count - 1
      }
      for step in respond(request, count) {
        switch step {
        case .bytes(let text): try await outbound.write(ByteBuffer(string: text))
        case .pause(let time): try await Task.sleep(for: time)
        case .stall: while try await parts.next() != nil {}
        }
      }
    }
  }

  /// nil until the whole body is there.
  private static func parse(_ bytes: ByteBuffer) -> ScriptedRequest? {
    let text = String(buffer: bytes)
    guard let end = text.range(of: "\r\n\r\n") else { return nil }
    let lines = text[..<end.lowerBound].components(separatedBy: "\r\n")
    var headers: [String: String] = [:]
    for line in lines.dropFirst() {
      guard let colon = line.firstIndex(of: ":") else { continue }
      headers[line[..<colon].lowercased()] = line[line.index(after: colon)...]
        .trimmingCharacters(in: .whitespaces)
    }
    let body = String(text[end.upperBound...])
    guard body.utf8.count >= Int(headers["content-length"] ?? "0") ?? 0 else { return nil }
    return ScriptedRequest(line: lines[0], headers: headers, body: body)
  }

  /// A whole response.
  package static func response(
    _ status: Int,
    _ body: String,
    type: String = "application/json",
    headers: [String: String] = [:]
  ) -> [Step] {
    var head = "HTTP/1.1 \(status) X\r\ncontent-type: \(type)\r\nconnection: close\r\n"
    for (name, value) in headers { head += "\(name): \(value)\r\n" }
    return [.bytes("\(head)content-length: \(body.utf8.count)\r\n\r\n\(body)")]
  }

  /// The head of a chunked event stream.
  package static let eventStream = Step.bytes(
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\nrequest-id: req_1\r\n"
      + "transfer-encoding: chunked\r\nconnection: close\r\n\r\n"
  )

  package static func chunk(_ text: String) -> Step {
    .bytes("\(String(text.utf8.count, radix: 16))\r\n\(text)\r\n")
  }

  package static let lastChunk = Step.bytes("0\r\n\r\n")
}
