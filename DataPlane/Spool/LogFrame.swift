/// One entry of a log file: length, checksum, kind, sequence, payload.
///
/// The header's integers are little-endian; the checksum is CRC-32C (RFC 3720, B.4) over all that
/// follows it.
struct LogFrame: Hashable, Sendable {
  static let headerBytes = 17
  static let payloadLimit = 16 * 1024 * 1024

  var kind: UInt8
  var sequence: UInt64
  var payload: [UInt8]

  var bytes: [UInt8] {
    var body: [UInt8] = [kind]
    body.reserveCapacity(9 + payload.count)
    for shift in stride(from: 0, to: 64, by: 8) {
      body.append(UInt8(truncatingIfNeeded: sequence >> UInt64(shift)))
    }
    body += payload
    return Self.bytes(of: UInt32(payload.count)) + Self.bytes(of: CRC32C.checksum(body[...])) + body
  }

  /// Reads the frame that starts at `offset`; nil when it is cut short or damaged.
  init?(_ file: [UInt8], at offset: Int) {
    guard file.count - offset >= Self.headerBytes else { return nil }
    let length = Int(Self.integer(file, at: offset))
    guard length <= Self.payloadLimit, file.count - offset - Self.headerBytes >= length else {
      return nil
    }
    let body = file[offset + 8 ..< offset + Self.headerBytes + length]
    guard CRC32C.checksum(body) == Self.integer(file, at: offset + 4) else { return nil }
    kind = file[offset + 8]
    sequence = (0 ..< 8).reduce(0) { $0 | UInt64(file[offset + 9 + $1]) << UInt64(8 * $1) }
    payload = Array(body.dropFirst(9))
  }

  init(kind: UInt8, sequence: UInt64, payload: [UInt8]) {
    self.kind = kind
    self.sequence = sequence
    self.payload = payload
  }

  private static func bytes(of value: UInt32) -> [UInt8] {
    [0, 8, 16, 24].map { UInt8(truncatingIfNeeded: value >> UInt32($0)) }
  }

  private static func integer(_ file: [UInt8], at offset: Int) -> UInt32 {
    (0 ..< 4).reduce(0) { $0 | UInt32(file[offset + $1]) << UInt32(8 * $1) }
  }
}

/// CRC-32C (Castagnoli), RFC 3720 appendix B.4.
enum CRC32C {
  private static let table: [UInt32] = (0 ..< 256).map { byte in
    (0 ..< 8).reduce(UInt32(byte)) { value, _ in
      value & 1 == 1 ? value >> 1 ^ 0x82F6_3B78 : value >> 1
    }
  }

  static func checksum(_ bytes: ArraySlice<UInt8>) -> UInt32 {
    ~bytes.reduce(~0) { $0 >> 8 ^ table[Int(UInt8(truncatingIfNeeded: $0) ^ $1)] }
  }
}
