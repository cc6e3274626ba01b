internal import AsyncHTTPClient
internal import Domain
internal import Foundation
internal import NIOCore
internal import NIOHTTP1

/// Sends a message to a node's web chat and reads the server-sent events that come back.
struct ChatClient {
  struct Reply {
    var text = ""
    /// "done", "interrupted" or "error".
    var ended = "interrupted"
    var reason: String?
    /// The visitor token, to be sent with the next message.
    var cookie: String?
  }

  let edge: String
  let host: String
  let timeout: TimeAmount
  private let client: HTTPClient

  /// Runs `body` with a client of its own.
  static func with(
    edge: String,
    host: String,
    timeout: TimeAmount,
    _ body: (ChatClient) async throws -> Void
  ) async throws {
    var configuration = HTTPClient.Configuration()
    // A node that is not there is told at once, not after the whole timeout.
    configuration.connectionPool.retryConnectionEstablishment = false
    let client = HTTPClient(configuration: configuration)
    do {
      try await body(ChatClient(edge: edge, host: host, timeout: timeout, client: client))
    } catch {
      try await client.shutdown()
      throw error
    }
    try await client.shutdown()
  }

  private init(edge: String, host: String, timeout: TimeAmount, client: HTTPClient) {
    self.edge = edge
    self.host = host
    self.timeout = timeout
    self.client = client
  }

  func send(
    _ text: String,
    cookie: String?,
    onText: (String) -> Void
  ) async throws -> Reply {
    var request = HTTPClientRequest(url: edge + "/chat/messages")
    request.method = .POST
    request.headers.add(name: "host", value: host)
    request.headers.add(name: "content-type", value: "application/json")
    request.headers.add(name: "accept", value: "text/event-stream")
    if let cookie { request.headers.add(name: "cookie", value: cookie) }
    let body: JSONValue = [
      "text": .string(text), "client_message_id": .string(UUID().uuidString.lowercased()),
    ]
    request.body = .bytes(try JSONEncoder().encode(body))
    let response: HTTPClientResponse
    do {
      response = try await client.execute(request, timeout: timeout)
    } catch {
      Terminal.error("the node at \(edge) can't be reached: \(error)")
      throw ExitStatus.unavailable
    }
    guard response.status == .ok else {
      Terminal.error("the node at \(edge) answered \(response.status.code) for host \(host).")
      throw response.status == .notFound ? ExitStatus.notFound : ExitStatus.unavailable
    }
    var reply = Reply()
    reply.cookie = response.headers.first(name: "set-cookie")
      .flatMap { $0.split(separator: ";").first.map(String.init) }
    var events = EventStream()
    for try await chunk in response.body {
      for event in events.push(chunk.readableBytesView) {
        let data = JSONValue.parsed(event.data)
        switch event.name {
        case "text":
          let piece = data["text"]?.stringValue ?? ""
          reply.text += piece
          onText(piece)
        case "done", "interrupted", "error":
          reply.ended = event.name
          reply.reason = data["message"]?.stringValue ?? data["reason"]?.stringValue
        default: break
        }
      }
    }
    return reply
  }
}

/// An incremental reader of server-sent events (WHATWG HTML, section 9.2), fields event and data.
struct EventStream {
  struct Event {
    var name: String
    var data: String
  }

  private var line: [UInt8] = []
  private var name = "message"
  private var data: [String] = []

  mutating func push(_ bytes: some Sequence<UInt8>) -> [Event] {
    var events: [Event] = []
    for byte in bytes {
      guard byte == UInt8(ascii: "\n") else {
        line.append(byte)
        continue
      }
      if line.last == UInt8(ascii: "\r") { line.removeLast() }
      let text = String(decoding: line, as: UTF8.self)
      line.removeAll(keepingCapacity: true)
      if text.isEmpty {
        if !data.isEmpty { events.append(Event(name: name, data: data.joined(separator: "\n"))) }
        name = "message"
        data = []
      } else if let value = Self.value(of: "event", in: text) {
        name = value
      } else if let value = Self.value(of: "data", in: text) {
        data.append(value)
      }
    }
    return events
  }

  private static func value(of field: String, in line: String) -> String? {
    guard line.hasPrefix(field + ":") else { return nil }
    let value = line.dropFirst(field.count + 1)
    return String(value.hasPrefix(" ") ? value.dropFirst() : value)
  }
}
