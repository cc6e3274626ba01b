internal import ArgumentParser
internal import Foundation
internal import Observability

/// Server streams on several connections, all read by one thread.
///
/// Prints `messages COUNT NANOSECONDS`, from the first request to the last answer's end.
struct StreamLoad: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "streams",
    abstract: "Read server streams to their end (started by 'transport').",
    shouldDisplay: false
  )

  static let path = "/bindery.bench.Echo/Stream"

  @Option var port: Int
  @Option var connections = 8
  @Option(help: "Streams of one connection.") var streams = 4
  @Option(help: "Messages of one stream.") var messages = 20_000

  func run() throws {
    raiseOpenFileLimit()
    let poller = try Poller()
    let scratch = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 * 1024, alignment: 16)
    defer { scratch.deallocate() }
    let open = try (0 ..< connections).map { index in
      let connection = try LightConnection(port: port)
      try poller.watch(connection.descriptor, tag: index)
      return connection
    }
    var left = connections * streams
    let request = (0 ..< 4).map { UInt8(truncatingIfNeeded: messages >> (24 - 8 * $0)) }
    let start = monotonicNanoseconds()
    for connection in open {
      for _ in 0 ..< streams {
        let stream = try connection.open(Self.path)
        var count = 0
        stream.onMessage = { message in
          guard message.count == 128 else { throw BenchFailure("a message is cut") }
          count += 1
        }
        stream.onEnd = { [messages] stream in
          guard stream.status == "0", count == messages else {
            throw BenchFailure("\(count) messages of \(messages), status \(stream.status ?? "-")")
          }
          left -= 1
        }
        try connection.send(request, on: stream, isLast: true)
      }
    }
    while left > 0 {
      try poller.wait(milliseconds: 1_000) { try open[$0].readable(scratch) }
    }
    let took = monotonicNanoseconds() - start
    print("messages \(connections * streams * messages) \(took)")
  }
}
