internal import Foundation
internal import HTTP2
internal import NIOCore

/// One gRPC call on a connection of its own, without gRPC's machinery: libnghttp2 on a bare socket.
final class LightCall: HTTP2SessionDelegate {
  let descriptor: Int32
  private let session: HTTP2Session
  private var stream: Int32 = 0
  private var inbound = ByteBuffer()
  private var outbound = ByteBuffer()
  private var failure: String?
  /// Takes each message that comes.
  var onMessage: (ByteBuffer) throws -> Void = { _ in }

  init(port: Int, path: String) throws {
    descriptor = try Sockets.connect(port: port)
    session = try HTTP2Session(role: .client)
    session.delegate = self
    stream = try session.request([
      HeaderField(":method", "POST"), HeaderField(":scheme", "http"), HeaderField(":path", path),
      HeaderField(":authority", "127.0.0.1:\(port)"), HeaderField("te", "trailers"),
      HeaderField("content-type", "application/grpc"),
    ])
    try flush()
  }

  deinit { close(descriptor) }

  func send(_ message: [UInt8]) throws {
    var frame = ByteBuffer()
    frame.writeInteger(UInt8(0))
    frame.writeInteger(UInt32(message.count))
    frame.writeBytes(message)
    session.send(frame, on: stream)
    try flush()
  }

  /// Reads what is there.
  func readable(_ scratch: UnsafeMutableRawBufferPointer) throws {
    let count = recv(descriptor, scratch.baseAddress, scratch.count, 0)
    guard count > 0 else {
      if count < 0, errno == EAGAIN || errno == EINTR { return }
      throw BenchFailure("the server closed a connection")
    }
    try session.receive(UnsafeRawBufferPointer(rebasing: scratch[..<count]))
    while inbound.readableBytes >= 5,
      let length = inbound.getInteger(at: inbound.readerIndex + 1, as: UInt32.self),
      inbound.readableBytes >= 5 + Int(length)
    {
      inbound.moveReaderIndex(forwardBy: 5)
      if let message = inbound.readSlice(length: Int(length)) { try onMessage(message) }
    }
    if inbound.readableBytes == 0 { inbound.clear() }
    if let failure { throw BenchFailure(failure) }
    try flush()
  }

  private func flush() throws {
    var more = true
    while more {
      outbound.clear()
      more = try session.pull(into: &outbound, limit: 64 * 1024)
      try outbound.withUnsafeReadableBytes { try Sockets.write($0, to: descriptor) }
    }
  }

  func received(headers: [HeaderField], on stream: Int32, endStream: Bool) {
    if let status = headers["grpc-status"] {
      failure = "the call ended: status \(status) \(headers["grpc-message"] ?? "")"
    }
  }

  func received(data: UnsafeRawBufferPointer, on stream: Int32) {
    inbound.writeBytes(data)
    session.consume(data.count, on: stream)
  }

  func receivedEnd(of stream: Int32) {}
  func sentEnd(of stream: Int32) {}
  func closed(stream: Int32, errorCode: UInt32) { failure = failure ?? "the stream was reset" }
  func drained(stream: Int32) {}
  func receivedGoAway(lastStream: Int32, errorCode: UInt32) { failure = "the server goes away" }
  func receivedPingAck() {}
  func receivedSettings() {}
}
