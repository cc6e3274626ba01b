internal import AsyncHTTPClient
package import Domain
internal import Foundation
internal import NIOCore
internal import NIOHTTP1

/// A person at a tenant's web page, who keeps the cookie that the page gave.
package actor WebVisitor {
  /// What came back for one message.
  package struct Reply: Sendable {
    package var status: Int
    /// The text in the pieces that it came in.
    package var pieces: [String] = []
    /// Name of the last event: `done`, `interrupted`, `error`, or empty when none came.
    package var ended = ""
    /// Data of the last event.
    package var end: JSONValue = .null
    /// From the request to the first piece.
    package var firstPieceAfter: Duration?
    /// From the request to the end.
    package var took: Duration = .zero

    package var text: String { pieces.joined() }
  }

  package nonisolated let host: String
  private var cookie: String?

  package init(host: String) {
    self.host = host
  }

  /// Sends a message to a node and reads the events that come back.
  package func say(
    _ text: String,
    to edge: String,
    id: String = UUID().uuidString.lowercased(),
    within limit: Duration = .seconds(30)
  ) async throws -> Reply {
    let start = ContinuousClock.now
    var request = HTTPClientRequest(url: edge + "/chat/messages")
    request.method = .POST
    request.headers.replaceOrAdd(name: "host", value: host)
    request.headers.add(name: "content-type", value: "application/json")
    request.headers.add(name: "accept", value: "text/event-stream")
    if let cookie { request.headers.add(name: "cookie", value: cookie) }
    let body: JSONValue = ["text": .string(text), "client_message_id": .string(id)]
    request.body = .bytes(ByteBuffer(bytes: try JSONEncoder().encode(body)))
    let response: HTTPClientResponse
    do {
      response = try await HTTPClient.shared.execute(
        request,
        timeout: .nanoseconds(Int64(limit / .nanoseconds(1)))
      )
    } catch {
      throw ScenarioFailure("web message to \(host) at \(edge): \(error)")
    }
    if let given = response.headers.first(name: "set-cookie") {
      cookie = given.split(separator: ";").first.map(String.init)
    }
    var reply = Reply(status: Int(response.status.code))
    var events = EventStreamReader()
    for try await chunk in response.body {
      for event in events.push(chunk.readableBytesView) {
        let data = parsed(event.data)
        if event.name == "text" {
          if reply.firstPieceAfter == nil { reply.firstPieceAfter = ContinuousClock.now - start }
          reply.pieces.append(data["text"]?.stringValue ?? "")
        } else if ["done", "interrupted", "error"].contains(event.name) {
          reply.ended = event.name
          reply.end = data
        }
      }
    }
    reply.took = ContinuousClock.now - start
    return reply
  }
}

/// Text that is no JSON stays text.
private func parsed(_ text: String) -> JSONValue {
  do {
    return try JSONDecoder().decode(JSONValue.self, from: Data(text.utf8))
  } catch {
    return .string(text)
  }
}

/// An incremental reader of server-sent events (WHATWG HTML, section 9.2), fields event and data.
struct EventStreamReader {
  private var line: [UInt8] = []
  private var name = "message"
  private var data: [String] = []

  mutating func push(_ bytes: some Sequence<UInt8>) -> [(name: String, data: String)] {
    var events: [(name: String, data: String)] = []
    for byte in bytes {
      guard byte == UInt8(ascii: "\n") else {
        line.append(byte)
        continue
      }
      if line.last == UInt8(ascii: "\r") { line.removeLast() }
      let text = String(decoding: line, as: UTF8.self)
      line.removeAll(keepingCapacity: true)
      if text.isEmpty {
        if !data.isEmpty { events.append((name, data.joined(separator: "\n"))) }
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
