import Glibc

/// A client that knows no rules: sends any bytes over a TCP socket and takes the answers apart into
/// frames. Never blocks a thread.
package final class RawHTTP2Peer {
  package struct Problem: Error, CustomStringConvertible {
    package let description: String
  }

  package static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)

  /// Frames that came and were not asked for yet.
  package private(set) var frames: [RawFrame] = []
  /// All frames that ever came, but DATA's payload.
  package private(set) var history: [RawFrame] = []
  /// The other side has closed, or reset the connection.
  package private(set) var isEnded = false
  package private(set) var receivedBytes = 0
  private let socket: Int32
  private var unparsed: [UInt8] = []
  private var isClosed = false

  /// - Parameter receiveBuffer: Bytes that the kernel takes for a peer that doesn't read.
  package init(port: Int, receiveBuffer: Int32? = nil) throws {
    socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    guard socket >= 0 else { throw Problem(description: "no socket: errno \(errno)") }
    if var size = receiveBuffer {
      setsockopt(socket, SOL_SOCKET, SO_RCVBUF, &size, socklen_t(MemoryLayout<Int32>.size))
    }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = in_port_t(UInt16(port)).bigEndian
    address.sin_addr.s_addr = in_addr_t(0x7f00_0001).bigEndian
    let connected = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    guard connected == 0 else {
      let code = errno
      Glibc.close(socket)
      isClosed = true
      throw Problem(description: "no connection: errno \(code)")
    }
    var on: Int32 = 1
    setsockopt(
      socket,
      Int32(IPPROTO_TCP),
      TCP_NODELAY,
      &on,
      socklen_t(MemoryLayout<Int32>.size)
    )
    _ = fcntl(socket, F_SETFL, fcntl(socket, F_GETFL) | O_NONBLOCK)
  }

  deinit { close() }

  package func close() {
    guard !isClosed else { return }
    isClosed = true
    Glibc.close(socket)
  }

  /// Ends our half only.
  package func closeOutput() { shutdown(socket, Int32(SHUT_WR)) }

  /// Preface, SETTINGS and the acknowledgement of the server's.
  package func greet(_ settings: [(UInt16, UInt32)] = []) async throws {
    _ = await send(Self.preface + RawFrame.settings(settings).bytes)
    guard try await next({ $0.type == 4 && $0.flags & 1 == 0 }) != nil else {
      throw Problem(description: "no SETTINGS of the server")
    }
    _ = await send([.settingsAck])
  }

  package func send(_ frames: [RawFrame]) async -> Bool {
    await send(frames.flatMap(\.bytes))
  }

  /// Sends all; false when the other side has gone, or takes nothing for `patience`.
  package func send(_ bytes: [UInt8], patience: Duration = .seconds(10)) async -> Bool {
    var sent = 0
    var deadline = ContinuousClock.now + patience
    while sent < bytes.count, !isClosed {
      let count = bytes.withUnsafeBytes {
        let rest = UnsafeRawBufferPointer(rebasing: $0[sent...])
        return Glibc.send(socket, rest.baseAddress, rest.count, Int32(MSG_NOSIGNAL))
      }
      if count > 0 {
        sent += count
        deadline = ContinuousClock.now + patience
      } else if errno == EAGAIN {
        guard ContinuousClock.now < deadline else { return false }
        do { try await Task.sleep(for: .milliseconds(1)) } catch { return false }
      } else {
        return false
      }
    }
    return true
  }

  /// The next frame that fits, within ten seconds; nil when the other side ends first. Frames before
  /// it are dropped.
  package func next(_ fits: (RawFrame) -> Bool) async throws -> RawFrame? {
    let deadline = ContinuousClock.now + .seconds(10)
    while true {
      read()
      while !frames.isEmpty {
        let frame = frames.removeFirst()
        if fits(frame) { return frame }
      }
      if isEnded { return nil }
      guard ContinuousClock.now < deadline else {
        throw Problem(description: "nothing came in ten seconds")
      }
      try await Task.sleep(for: .milliseconds(1))
    }
  }

  /// Whether the other side ends within ten seconds; reads all until then.
  package func ends() async throws -> Bool {
    do { return try await next { _ in false } == nil } catch is Problem { return false }
  }

  /// Takes what the socket has.
  package func read() {
    var buffer = [UInt8](repeating: 0, count: 64 * 1024)
    while !isEnded, !isClosed {
      let count = recv(socket, &buffer, buffer.count, 0)
      if count > 0 {
        receivedBytes += count
        unparsed += buffer[..<count]
      } else if count == 0 || errno != EAGAIN {
        isEnded = true
      } else {
        break
      }
    }
    var position = 0
    while unparsed.count - position >= 9 {
      let head = unparsed[position ..< position + 9].map(Int.init)
      let length = head[0] << 16 | head[1] << 8 | head[2]
      guard unparsed.count - position >= 9 + length else { break }
      let stream = head[5] << 24 | head[6] << 16 | head[7] << 8 | head[8]
      let frame = RawFrame(
        UInt8(head[3]),
        flags: UInt8(head[4]),
        stream: UInt32(stream & 0x7fff_ffff),
        Array(unparsed[position + 9 ..< position + 9 + length])
      )
      frames.append(frame)
      history.append(frame)
      position += 9 + length
    }
    unparsed.removeFirst(position)
  }

  /// The error code of the server's GOAWAY, if one came, and its text.
  package var goAway: (code: UInt32, text: String)? {
    guard let frame = history.last(where: { $0.type == 7 }), frame.payload.count >= 8 else {
      return nil
    }
    return (
      frame.payload[4 ..< 8].reduce(0) { $0 << 8 | UInt32($1) },
      String(decoding: frame.payload[8...], as: UTF8.self)
    )
  }

  /// Whether a PING is answered.
  package func isServed() async throws -> Bool {
    let mark = UInt8.random(in: 1 ... 255)
    guard await send([.ping(mark)]) else { return false }
    return try await next { $0.type == 6 && $0.flags == 1 && $0.payload.first == mark } != nil
  }
}
