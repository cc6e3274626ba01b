/// One HTTP/2 frame as bytes, right or wrong (RFC 9113 section 4.1).
package struct RawFrame: Hashable, Sendable, CustomStringConvertible {
  package var type: UInt8
  package var flags: UInt8
  package var stream: UInt32
  package var payload: [UInt8]
  /// What the head claims, when it is to lie.
  package var claimedLength: Int?

  package init(
    _ type: UInt8,
    flags: UInt8 = 0,
    stream: UInt32 = 0,
    _ payload: [UInt8] = [],
    claimedLength: Int? = nil
  ) {
    self.type = type
    self.flags = flags
    self.stream = stream
    self.payload = payload
    self.claimedLength = claimedLength
  }

  package var bytes: [UInt8] {
    let length = claimedLength ?? payload.count
    return [
      UInt8(truncatingIfNeeded: length >> 16), UInt8(truncatingIfNeeded: length >> 8),
      UInt8(truncatingIfNeeded: length), type, flags,
    ] + bigEndian(stream) + payload
  }

  package var description: String {
    "frame \(type) flags \(flags) stream \(stream) \(payload.prefix(40))"
  }

  // MARK: - Of each kind

  package static let endStream: UInt8 = 0x1
  package static let endHeaders: UInt8 = 0x4
  package static let padded: UInt8 = 0x8

  package static func data(
    _ stream: UInt32,
    _ payload: [UInt8] = [],
    flags: UInt8 = 0
  ) -> RawFrame {
    RawFrame(0, flags: flags, stream: stream, payload)
  }

  package static func headers(
    _ stream: UInt32,
    _ block: [UInt8] = request(),
    flags: UInt8 = endHeaders
  ) -> RawFrame {
    RawFrame(1, flags: flags, stream: stream, block)
  }

  package static func priority(_ stream: UInt32, dependsOn other: UInt32 = 0) -> RawFrame {
    RawFrame(2, stream: stream, bigEndian(other) + [15])
  }

  package static func reset(_ stream: UInt32, code: UInt32 = 8) -> RawFrame {
    RawFrame(3, stream: stream, bigEndian(code))
  }

  package static func settings(_ values: [(UInt16, UInt32)] = []) -> RawFrame {
    RawFrame(
      4,
      values.flatMap { [UInt8($0.0 >> 8), UInt8(truncatingIfNeeded: $0.0)] + bigEndian($0.1) }
    )
  }

  package static let settingsAck = RawFrame(4, flags: 1)

  package static func ping(_ payload: UInt8 = 0, flags: UInt8 = 0) -> RawFrame {
    RawFrame(6, flags: flags, Array(repeating: payload, count: 8))
  }

  package static func goAway(_ code: UInt32 = 0) -> RawFrame {
    RawFrame(7, [0, 0, 0, 0] + bigEndian(code))
  }

  package static func windowUpdate(_ stream: UInt32, _ increment: UInt32) -> RawFrame {
    RawFrame(8, stream: stream, bigEndian(increment))
  }

  package static func continuation(
    _ stream: UInt32,
    _ block: [UInt8] = [],
    flags: UInt8 = 0
  ) -> RawFrame {
    RawFrame(9, flags: flags, stream: stream, block)
  }

  // MARK: - Header blocks (RFC 7541), literals only

  /// A literal field that is not added to the table; both parts shorter than 127 bytes.
  package static func field(_ name: String, _ value: String) -> [UInt8] {
    [0, UInt8(name.utf8.count)] + Array(name.utf8) + [UInt8(value.utf8.count)] + Array(value.utf8)
  }

  /// A gRPC request for `path`.
  package static func request(
    path: String = "/bindery.test.Echo/Collect",
    adding fields: [(String, String)] = []
  ) -> [UInt8] {
    let usual = [
      (":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "localhost"),
      ("te", "trailers"), ("content-type", "application/grpc"),
    ]
    return (usual + fields).flatMap { field($0.0, $0.1) }
  }
}

package func bigEndian(_ value: UInt32) -> [UInt8] {
  [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> $0) }
}
