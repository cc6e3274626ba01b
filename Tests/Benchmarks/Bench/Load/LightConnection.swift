internal import Foundation
internal import HTTP2
internal import NIOCore

/// gRPC calls on one connection without gRPC's machinery: libnghttp2 on a bare socket.
final class LightConnection: HTTP2SessionDelegate {
  let descriptor: Int32
  private let port: Int
  private let session: HTTP2Session
  private var streams: [Int32: LightStream] = [:]
  private var ended: [LightStream] = []
  private var outbound = ByteBuffer()
  private var failure: String?

  init(port: Int) throws {
    self.port = port
    descriptor = try Sockets.connect(port: port)
    session = try HTTP2Session(role: .client)
    session.delegate = self
  }

  deinit { close(descriptor) }

  /// Opens a call; its messages follow by `send`.
  func open(_ path: String) throws -> LightStream {
    let id = try session.request([
      HeaderField(":method", "POST"), HeaderField(":scheme", "http"), HeaderField(":path", path),
      HeaderField(":authority", "127.0.0.1:\(port)"), HeaderField("te", "trailers"),
      HeaderField("content-type", "application/grpc"),
    ])
    let stream = LightStream(id)
    streams[id] = stream
    try flush()
    return stream
  }

  func send(_ message: [UInt8], on stream: LightStream, isLast: Bool = false) throws {
    var frame = ByteBuffer()
    frame.writeInteger(UInt8(0))
    frame.writeInteger(UInt32(message.count))
    frame.writeBytes(message)
    session.send(frame, on: stream.id)
    if isLast { session.finish(stream.id) }
    try flush()
  }

  /// Reads what is there; returns how many bytes that were.
  @discardableResult
  func readable(_ scratch: UnsafeMutableRawBufferPointer) throws -> Int {
    let count = recv(descriptor, scratch.baseAddress, scratch.count, 0)
    guard count > 0 else {
      if count < 0, errno == EAGAIN || errno == EINTR { return 0 }
      throw BenchFailure("the server closed a connection")
    }
    try session.receive(UnsafeRawBufferPointer(rebasing: scratch[..<count]))
    if !ended.isEmpty {
      for stream in ended { try stream.onEnd(stream) }
      ended.removeAll(keepingCapacity: true)
    }
    if let failure { throw BenchFailure(failure) }
    if session.wantsWrite { try flush() }
    return count
  }

  private func flush() throws {
    var more = true
    while more {
      outbound.clear()
      more = try session.pull(into: &outbound, limit: 64 * 1024)
      try outbound.withUnsafeReadableBytes { try Sockets.write($0, to: descriptor) }
    }
  }

  // MARK: - HTTP2SessionDelegate

  func received(headers: [HeaderField], on stream: Int32, endStream: Bool) {
    guard let stream = streams[stream], let status = headers["grpc-status"] else { return }
    stream.status = status
    stream.statusMessage = headers["grpc-message"] ?? ""
    ended.append(stream)
  }

  func received(data: UnsafeRawBufferPointer, on id: Int32) {
    if let stream = streams[id] {
      do {
        try stream.receive(data)
      } catch {
        failure = failure ?? "\(error)"
      }
    }
    session.consume(data.count, on: id)
  }

  func receivedEnd(of stream: Int32) {}
  func sentEnd(of stream: Int32) {}

  func closed(stream id: Int32, errorCode: UInt32) {
    guard let stream = streams.removeValue(forKey: id), stream.status == nil else { return }
    failure = failure ?? "a call ended without a status (HTTP/2 error \(errorCode))"
  }

  func drained(stream: Int32) {}
  func receivedGoAway(lastStream: Int32, errorCode: UInt32, reason: [UInt8]) {
    failure = "the server goes away"
  }
  func receivedPing() {}
  func receivedPingAck() {}
  func receivedSettings() {}
}

/// One call of a `LightConnection`.
final class LightStream {
  fileprivate let id: Int32
  private var inbound = ByteBuffer()
  /// `grpc-status`, once the call is over.
  fileprivate(set) var status: String?
  fileprivate(set) var statusMessage = ""
  /// Takes each message that comes; must not send.
  var onMessage: (UnsafeRawBufferPointer) throws -> Void = { _ in }
  /// The call is over, all its messages are taken.
  var onEnd: (LightStream) throws -> Void = { _ in }

  fileprivate init(_ id: Int32) { self.id = id }

  /// Takes the whole messages in `bytes` where they are, and keeps the rest.
  fileprivate func receive(_ bytes: UnsafeRawBufferPointer) throws {
    guard inbound.readableBytes > 0 else {
      let taken = try takeMessages(in: bytes)
      inbound.writeBytes(bytes.dropFirst(taken))
      return
    }
    inbound.writeBytes(bytes)
    let taken = try inbound.withUnsafeReadableBytes { try takeMessages(in: $0) }
    inbound.moveReaderIndex(forwardBy: taken)
    if inbound.readableBytes == 0 { inbound.clear() }
  }

  /// Returns how many bytes the whole messages have.
  private func takeMessages(in bytes: UnsafeRawBufferPointer) throws -> Int {
    var taken = 0
    while bytes.count - taken >= 5 {
      let prefix = bytes.loadUnaligned(fromByteOffset: taken + 1, as: UInt32.self)
      let end = taken + 5 + Int(UInt32(bigEndian: prefix))
      guard end <= bytes.count else { break }
      try onMessage(UnsafeRawBufferPointer(rebasing: bytes[(taken + 5) ..< end]))
      taken = end
    }
    return taken
  }
}

extension LightConnection {
  /// One whole unary call; nothing else happens meanwhile.
  ///
  /// - Throws: `BenchFailure` when it ends with another status than 0 or takes 5 seconds.
  func unary(_ path: String, _ message: [UInt8]) throws -> [UInt8] {
    let scratch = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 * 1024, alignment: 16)
    defer { scratch.deallocate() }
    var answer: [UInt8]?
    let stream = try open(path)
    stream.onMessage = { answer = Array($0) }
    try send(message, on: stream, isLast: true)
    while stream.status == nil {
      var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
      guard poll(&waiting, 1, 5_000) != 0 else { throw BenchFailure("\(path): no answer in 5 s") }
      try readable(scratch)
    }
    guard stream.status == "0", let answer else {
      throw BenchFailure("\(path): status \(stream.status ?? "-") \(stream.statusMessage)")
    }
    return answer
  }
}
