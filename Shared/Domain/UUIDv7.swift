package import Foundation

/// Makes UUIDs of version 7 (RFC 9562, section 5.7): Unix time in ms, then random bits.
package enum UUIDv7 {
  /// - Parameter ms: Unix time in ms.
  package static func make(atMS ms: Int64) -> UUID {
    var random = SystemRandomNumberGenerator()
    let (high, low) = (random.next(), random.next())
    let time = UInt64(clamping: ms)
    func byte(_ value: UInt64, _ shift: UInt64) -> UInt8 {
      UInt8(truncatingIfNeeded: value >> shift)
    }
    return UUID(
      uuid: (
        byte(time, 40), byte(time, 32), byte(time, 24), byte(time, 16), byte(time, 8),
        byte(time, 0), 0x70 | byte(high, 8) & 0x0F, byte(high, 0), 0x80 | byte(low, 56) & 0x3F,
        byte(low, 48), byte(low, 40), byte(low, 32), byte(low, 24), byte(low, 16), byte(low, 8),
        byte(low, 0)
      )
    )
  }
}
