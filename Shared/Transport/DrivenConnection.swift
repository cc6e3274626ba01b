internal import GRPCCore
internal import HTTP2
internal import Logging
package import NIOCore

/// One end of a connection on a channel that the caller drives, with calls that answer by themselves:
/// for fuzzing, and to look for what a connection leaves behind. No sockets, no tasks.
package final class DrivenConnection {
  private struct WeakCall {
    weak var stream: CallStream?
  }

  package let handler: any ChannelHandler
  private weak var connection: ConnectionHandler?
  private var calls: [WeakCall] = []

  /// A server that answers by the path's last letter: "e" echoes what has come, "f" fails, "l" sends
  /// a message larger than a window, "n" sends without end as there is room, and all else waits.
  package static func server(
    _ configuration: ServerTransportConfiguration,
    on loop: any EventLoop
  ) throws
    -> DrivenConnection
  {
    let connection = try ConnectionHandler(
      role: .server,
      http2: configuration.http2,
      maxMessageBytes: configuration.maxReceivedMessageBytes,
      limits: configuration.life,
      metrics: configuration.metrics,
      loop: loop,
      logger: Logger(label: "driven") { _ in SwiftLogNoOpLogHandler() }
    )
    connection.strikes = PingPolicy.Strikes(configuration.pings)
    let driven = DrivenConnection(connection)
    connection.onCall = { [weak driven] stream, path in driven?.answer(stream, path) }
    return driven
  }

  /// A client.
  package static func client(
    _ configuration: ClientTransportConfiguration,
    on loop: any EventLoop
  ) throws
    -> DrivenConnection
  {
    DrivenConnection(
      try ConnectionHandler(
        role: .client,
        http2: configuration.http2,
        maxMessageBytes: configuration.maxReceivedMessageBytes,
        limits: configuration.life,
        metrics: configuration.metrics,
        loop: loop,
        logger: Logger(label: "driven") { _ in SwiftLogNoOpLogHandler() }
      )
    )
  }

  private init(_ connection: ConnectionHandler) {
    handler = connection
    self.connection = connection
  }

  // MARK: - What is left

  package var openStreams: Int { connection?.streams.count ?? 0 }
  /// Calls that still exist, ended or not.
  package var liveCalls: Int { calls.count { $0.stream != nil } }
  /// Bytes that wait to be sent, in streams.
  package var queuedBytes: Int { connection?.session.queuedBytes ?? 0 }

  // MARK: - Calls

  /// Of a client: one more call, with its messages; ended unless `isOpen`.
  package func call(_ path: String, messages: [Int], isOpen: Bool) {
    guard let connection else { return }
    let stream = CallStream(
      connection: connection,
      side: .client(ClientCall(path: path, authority: "localhost")),
      maxMessageBytes: connection.maxMessageBytes
    )
    calls.append(WeakCall(stream: stream))
    attempt {
      _ = try stream.write(.metadata(["x-test": "1"]))
      for count in messages { _ = try stream.write(.message(.init(repeating: 7, count: count))) }
      if !isOpen { stream.finish(nil) }
    }
  }

  /// Takes what has come for all calls; with `cancelling`, gives them up.
  package func turn(cancelling: Bool = false) {
    calls.removeAll { $0.stream == nil }
    for call in calls {
      guard let stream = call.stream else { continue }
      while case .success(.some)? = stream.readNow() {}
      if cancelling { connection?.abandon(stream) }
    }
  }

  private func answer(_ stream: CallStream, _ path: String) {
    calls.append(WeakCall(stream: stream))
    attempt {
      switch path.utf8.last {
      case UInt8(ascii: "e"):
        while case .success(let part?)? = stream.readNow() {
          if case .message(let bytes) = part { _ = try stream.write(.message(bytes)) }
        }
        _ = try stream.write(.status(Status(code: .ok, message: ""), ["x-end": "1"]))
      case UInt8(ascii: "f"):
        _ = try stream.write(.status(Status(code: .aborted, message: "no"), [:]))
      case UInt8(ascii: "l"):
        _ = try stream.write(.message(.init(repeating: 1, count: 100_000)))
        _ = try stream.write(.status(Status(code: .ok, message: ""), [:]))
      case UInt8(ascii: "n"): try writeOn(stream)
      default: break
      }
    }
  }

  /// As a handler does that knows no end: each write in a job of the loop.
  private func writeOn(_ stream: CallStream) throws {
    guard let loop = connection?.context?.eventLoop else { return }
    let bound = NIOLoopBound((self, WeakCall(stream: stream)), eventLoop: loop)
    while try stream.write(.message(.init(repeating: 1, count: 16_384))) {}
    stream.whenThereIsRoom {
      loop.execute {
        let (driven, call) = bound.value
        guard let stream = call.stream else { return }
        driven.attempt { try driven.writeOn(stream) }
      }
    }
  }

  /// A call that is over refuses what is written to it; that is its right.
  private func attempt(_ body: () throws -> Void) {
    do { try body() } catch {}
  }
}
