/// One event of a `text/event-stream` (WHATWG HTML, section 9.2).
package struct ServerSentEvent: Hashable, Sendable {
  /// The `event` field; empty when it was absent.
  package var name: String
  /// The `data` lines, joined by line feeds.
  package var data: String

  package init(name: String, data: String) {
    self.name = name
    self.data = data
  }
}

/// The stream can't be read on.
package enum ServerSentEventError: Error, Hashable, Sendable {
  /// An event or a line is longer than the limit.
  case tooLong
  /// A line is not UTF-8.
  case notUTF8
}

/// Cuts a byte stream into events, wherever the pieces were split.
///
/// Lines end in LF, CR or CRLF; a leading byte order mark is dropped; comments, `id` and `retry` are
/// passed over; what stands after the last blank line is no event.
package struct ServerSentEventParser: Sendable {
  private let limit: Int
  private var line: [UInt8] = []
  private var afterCR = false
  private var atStart = true
  private var name = ""
  private var data: String?

  /// - Parameter limit: most bytes of one event.
  package init(limit: Int = 1 << 20) {
    self.limit = limit
  }

  /// Takes the next bytes and returns the events that they complete.
  package mutating func push(
    _ bytes: some Sequence<UInt8>
  ) throws(ServerSentEventError) -> [ServerSentEvent] {
    var events: [ServerSentEvent] = []
    for byte in bytes {
      switch byte {
      case UInt8(ascii: "\n") where afterCR:
        afterCR = false
      case UInt8(ascii: "\n"), UInt8(ascii: "\r"):
        afterCR = byte == UInt8(ascii: "\r")
        if let event = try endLine() { events.append(event) }
      default:
        afterCR = false
        line.append(byte)
        guard line.count + (data?.utf8.count ?? 0) <= limit else { throw .tooLong }
      }
    }
    return events
  }

  private mutating func endLine() throws(ServerSentEventError) -> ServerSentEvent? {
    defer { line.removeAll(keepingCapacity: true) }
    guard (data?.utf8.count ?? 0) + line.count <= limit else { throw .tooLong }
    if atStart {
      atStart = false
      if line.starts(with: [0xEF, 0xBB, 0xBF]) { line.removeFirst(3) }
    }
    guard !line.isEmpty else { return dispatch() }
    let colon = line.firstIndex(of: UInt8(ascii: ":")) ?? line.endIndex
    guard colon > 0 else { return nil }
    var value = colon < line.endIndex ? line[(colon + 1)...] : []
    if value.first == UInt8(ascii: " ") { value = value.dropFirst() }
    guard let field = String(validating: line[..<colon], as: UTF8.self),
      let text = String(validating: value, as: UTF8.self)
    else { throw .notUTF8 }
    switch field {
    case "event": name = text
    case "data":
      if data == nil { data = text } else { data?.append("\n" + text) }
    default: break
    }
    return nil
  }

  private mutating func dispatch() -> ServerSentEvent? {
    defer {
      name = ""
      data = nil
    }
    guard let data else { return nil }
    return ServerSentEvent(name: name, data: data)
  }
}
