/// The nine bytes before a frame's payload (RFC 9113 section 4.1).
package struct FrameHead: Hashable, Sendable {
  package var length: Int
  package var type: UInt8
  package var flags: UInt8
  package var stream: Int32

  package init(length: Int, type: UInt8, flags: UInt8, stream: Int32) {
    self.length = length
    self.type = type
    self.flags = flags
    self.stream = stream
  }

  /// From the first eight bytes, big-endian, and the ninth.
  init(_ first: UInt64, _ last: UInt8) {
    length = Int(first >> 40)
    type = UInt8(truncatingIfNeeded: first >> 32)
    flags = UInt8(truncatingIfNeeded: first >> 24)
    // The highest bit is reserved (section 4.1).
    stream = Int32((UInt32(truncatingIfNeeded: first) << 8 | UInt32(last)) & 0x7fff_ffff)
  }

  var endsStream: Bool { flags & FrameFlag.endStream != 0 }
  var endsHeaders: Bool { flags & FrameFlag.endHeaders != 0 }
}

/// Types of frames (RFC 9113 section 6).
package enum FrameType {
  package static let data: UInt8 = 0
  package static let headers: UInt8 = 1
  package static let priority: UInt8 = 2
  package static let resetStream: UInt8 = 3
  package static let settings: UInt8 = 4
  package static let pushPromise: UInt8 = 5
  package static let ping: UInt8 = 6
  package static let goAway: UInt8 = 7
  package static let windowUpdate: UInt8 = 8
  package static let continuation: UInt8 = 9
}

package enum FrameFlag {
  package static let endStream: UInt8 = 0x1
  /// Of SETTINGS and PING.
  package static let ack: UInt8 = 0x1
  package static let endHeaders: UInt8 = 0x4
  package static let padded: UInt8 = 0x8
  package static let priority: UInt8 = 0x20
}

/// Finds the heads of frames in a byte stream that comes in any pieces.
///
/// libnghttp2 reports no frame that it ignores (unknown types, closed streams), and those are what a
/// flood is made of.
package struct FrameScanner: Hashable, Sendable {
  /// The client's connection preface, before the first frame (RFC 9113 section 3.4).
  static let prefaceLength = 24

  /// Bytes to come of the frame whose head was found last, or of the preface.
  package private(set) var payloadLeft: Int
  private var partial: UInt64 = 0
  private var partialCount = 0

  package init(expectsPreface: Bool) {
    payloadLeft = expectsPreface ? Self.prefaceLength : 0
  }

  /// The next head, and where in `bytes` its frame begins (0 when that was in an earlier piece);
  /// moves `position` behind it. Nil at the end of `bytes`.
  package mutating func next(
    in bytes: UnsafeRawBufferPointer,
    from position: inout Int
  ) -> (head: FrameHead, start: Int)? {
    if payloadLeft > 0 {
      let skipped = min(payloadLeft, bytes.count - position)
      payloadLeft -= skipped
      position += skipped
    }
    if partialCount == 0, bytes.count - position >= 9 {
      let first = UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: position, as: UInt64.self))
      let head = FrameHead(first, bytes[position + 8])
      payloadLeft = head.length
      defer { position += 9 }
      return (head, position)
    }
    let start = partialCount == 0 ? position : 0
    while position < bytes.count {
      let byte = bytes[position]
      position += 1
      guard partialCount == 8 else {
        partial = partial << 8 | UInt64(byte)
        partialCount += 1
        continue
      }
      let head = FrameHead(partial, byte)
      (partial, partialCount) = (0, 0)
      payloadLeft = head.length
      return (head, start)
    }
    return nil
  }
}
