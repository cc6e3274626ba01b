import Models
import Testing

@Suite struct StreamingTests {
  static let stream =
    "\u{FEFF}: a comment\nevent: one\ndata: first\ndata:second\r\n\r\nid: 7\ndata\n\n"
    + "event: empty\n\ndata: नमस्ते 🙂\r\revent: late\ndata: unfinished\n"
  static let events = [
    ServerSentEvent(name: "one", data: "first\nsecond"),
    ServerSentEvent(name: "", data: ""),
    ServerSentEvent(name: "", data: "नमस्ते 🙂"),
  ]

  @Test(arguments: 0 ..< 200 as Range<UInt64>)
  func `events come out the same wherever the bytes were split`(seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    var parser = ServerSentEventParser()
    var rest = Array(Self.stream.utf8)[...]
    var events: [ServerSentEvent] = []
    while !rest.isEmpty {
      let count = Int.random(in: 1 ... 9, using: &random)
      events += try parser.push(rest.prefix(count))
      rest = rest.dropFirst(count)
    }
    #expect(events == Self.events)
  }

  @Test func `an event longer than the limit is refused`() throws {
    var parser = ServerSentEventParser(limit: 32)
    #expect(throws: ServerSentEventError.tooLong) {
      for _ in 0 ..< 10 { _ = try parser.push("data: 12345678\n".utf8) }
    }
  }

  @Test func `bytes that are not UTF-8 are refused`() throws {
    var parser = ServerSentEventParser()
    #expect(throws: ServerSentEventError.notUTF8) {
      try parser.push(Array("data: ".utf8) + [0xFF, 0x0A])
    }
  }
}
