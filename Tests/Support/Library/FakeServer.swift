package import Domain
internal import Foundation
internal import Glibc
internal import HTTPTypes
package import Hummingbird
internal import Logging
internal import NIOCore
internal import Synchronization

/// A stand-in for a service that can't be reached from here: answers in its wire format, remembers
/// every request, and fails on demand. It is no such service, and says so on its front page.
///
/// `GET /control/requests` lists what came; `POST /control/fail {"status": 429, "times": 2}` makes the
/// next requests fail. Instead of a status, `"how"` may be `garbage` (a body that nobody can read),
/// `cut` (half of the body), `hang` (half of it, the rest after `"ms"`) or `stall` (no answer for
/// `"ms"`). `{"slow_ms": 300}` makes all answers come so much later. `POST /control/mend` ends all of
/// that.
///
/// Each request is listed with `at_ns`, when all of it was there by this machine's monotonic clock, and
/// with the `status` that it was answered with.
package final class FakeServer: Sendable {
  /// What to answer: content type and body.
  package struct Answer: Sendable {
    package var contentType: String
    package var body: String

    package init(contentType: String = "application/json", body: String) {
      self.contentType = contentType
      self.body = body
    }
  }

  /// What happens to a request instead of its answer.
  private enum Failure {
    case status(Int)
    case garbage
    case cut
    /// In ms; then the rest comes after all.
    case hang(Int64)
    /// In ms; then the answer comes after all.
    case stall(Int64)

    init(_ told: JSONValue) {
      switch told["how"]?.stringValue {
      case "garbage": self = .garbage
      case "cut": self = .cut
      case "hang": self = .hang(told["ms"]?.intValue ?? 1_000)
      case "stall": self = .stall(told["ms"]?.intValue ?? 1_000)
      default: self = .status(Int(told["status"]?.intValue ?? 500))
      }
    }
  }

  private struct State {
    var requests: [JSONValue] = []
    var failures: [Failure] = []
    /// In ms.
    var slowness: Int64 = 0
  }

  private let name: String
  private let port: Int
  private let state = Mutex(State())
  private let answer: @Sendable (_ path: String, _ body: JSONValue) throws -> Answer

  package init(
    name: String,
    port: Int,
    answer: @escaping @Sendable (_ path: String, _ body: JSONValue) throws -> Answer
  ) {
    self.name = name
    self.port = port
    self.answer = answer
  }

  /// The server, not started yet.
  package func application(
    onRunning: @escaping @Sendable () async -> Void = {}
  ) -> some ApplicationProtocol {
    let router = Router()
    router.get("/") { [name] _, _ in "This is a fake \(name), for tests and trying out.\n" }
    router.get("/control/requests") { _, _ in
      try Self.response(.array(self.state.withLock { $0.requests }))
    }
    router.post("/control/fail") { request, _ in
      let body = try await Self.json(of: request)
      if let slowness = body["slow_ms"]?.intValue {
        self.state.withLock { $0.slowness = slowness }
        return try Self.response(["ok": true])
      }
      let failure = Failure(body)
      let times = Int(body["times"]?.intValue ?? 1)
      self.state.withLock { $0.failures += Array(repeating: failure, count: min(times, 100)) }
      return try Self.response(["ok": true])
    }
    router.post("/control/mend") { _, _ in
      self.state.withLock { state in
        state.failures = []
        state.slowness = 0
      }
      return try Self.response(["ok": true])
    }
    router.post("**") { request, _ in
      let body = try await Self.json(of: request)
      let at = monotonicNanoseconds()
      let (failure, slowness) = self.state.withLock { state in
        let failure = state.failures.isEmpty ? nil : state.failures.removeFirst()
        var status: Int64 = 200
        if case .status(let told) = failure { status = Int64(told) }
        state.requests.append([
          "path": .string(request.uri.path), "body": body,
          "authorization": .string(request.headers[.authorization] ?? ""),
          "at_ns": .int(at), "status": .int(status),
        ])
        return (failure, state.slowness)
      }
      if slowness > 0 { try await Task.sleep(for: .milliseconds(slowness)) }
      var answer = try self.answer(request.uri.path, body)
      switch failure {
      case .status(let status):
        return Response(
          status: .init(code: status),
          body: .init(byteBuffer: ByteBuffer(string: "{}"))
        )
      case .garbage: answer.body = "event: message_start\ndata: {{{ \u{1} nonsense\n\n"
      case .cut: answer.body = String(Self.half(answer.body))
      case .hang(let ms):
        let (body, begin) = (answer.body, Self.half(answer.body))
        return Response(
          status: .ok,
          headers: [.contentType: answer.contentType],
          body: .init { writer in
            try await writer.write(ByteBuffer(substring: begin))
            try await Task.sleep(for: .milliseconds(ms))
            try await writer.write(ByteBuffer(substring: body[begin.endIndex...]))
            try await writer.finish(nil)
          }
        )
      case .stall(let ms): try await Task.sleep(for: .milliseconds(ms))
      case nil: break
      }
      return Response(
        status: .ok,
        headers: [.contentType: answer.contentType],
        body: .init(byteBuffer: ByteBuffer(string: answer.body))
      )
    }
    return Application(
      router: router,
      configuration: .init(address: .hostname("127.0.0.1", port: port)),
      onServerRunning: { _ in await onRunning() },
      logger: Logger(label: "fake") { _ in SwiftLogNoOpLogHandler() }
    )
  }

  /// So much that of a model's answer some text is in it.
  private static func half(_ body: String) -> Substring { body.prefix(body.count * 3 / 5) }

  private static func json(of request: Request) async throws -> JSONValue {
    let buffer = try await request.body.collect(upTo: 1 << 20)
    guard buffer.readableBytes > 0 else { return .null }
    return try JSONDecoder().decode(JSONValue.self, from: Data(buffer.readableBytesView))
  }

  private static func response(_ value: JSONValue) throws -> Response {
    let data = try JSONEncoder().encode(value)
    return Response(
      status: .ok,
      headers: [.contentType: "application/json"],
      body: .init(byteBuffer: ByteBuffer(bytes: data))
    )
  }
}

/// This machine's monotonic clock, the same for all of its programs.
package func monotonicNanoseconds() -> Int64 {
  var time = timespec()
  clock_gettime(CLOCK_MONOTONIC, &time)
  return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
}
