internal import NIOCore

/// Which addresses of the internet a tool may be at.
///
/// Refused is all that is not globally reachable unicast (IANA's special-purpose registries, RFC
/// 6890): loopback, private, link-local, shared (CGNAT), unspecified, multicast, documentation,
/// benchmarking, and the IPv6 forms that carry an IPv4 address inside.
enum AddressRules {
  static func isPublic(_ address: SocketAddress) -> Bool {
    // In sockaddr_in the address stands at byte 4, in sockaddr_in6 at byte 8 (netinet/in.h).
    func bytes(_ range: Range<Int>) -> [UInt8] {
      address.withSockAddr { pointer, size in
        let raw = UnsafeRawBufferPointer(start: pointer, count: size)
        return range.upperBound <= size ? Array(raw[range]) : []
      }
    }
    switch address {
    case .v4: return isPublicV4(bytes(4 ..< 8))
    case .v6: return isPublicV6(bytes(8 ..< 24))
    case .unixDomainSocket: return false
    }
  }

  /// - Parameter bytes: 4, in network order.
  static func isPublicV4(_ bytes: [UInt8]) -> Bool {
    guard bytes.count == 4 else { return false }
    switch (bytes[0], bytes[1], bytes[2]) {
    case (0, _, _), (10, _, _), (127, _, _), (224 ... 255, _, _): return false
    case (100, 64 ... 127, _): return false
    case (169, 254, _): return false
    case (172, 16 ... 31, _): return false
    case (192, 0, 0), (192, 0, 2), (192, 88, 99), (192, 168, _): return false
    case (198, 18 ... 19, _), (198, 51, 100): return false
    case (203, 0, 113): return false
    default: return true
    }
  }

  /// - Parameter bytes: 16, in network order.
  static func isPublicV6(_ bytes: [UInt8]) -> Bool {
    // Only 2000::/3 is global unicast; that leaves out ::, ::1, v4-mapped, NAT64, ULA, link-local.
    guard bytes.count == 16, bytes[0] & 0xE0 == 0x20 else { return false }
    switch (bytes[0], bytes[1], bytes[2], bytes[3]) {
    case (0x20, 0x01, 0x00 ... 0x01, _): return false  // 2001::/23: Teredo and other protocols
    case (0x20, 0x01, 0x0D, 0xB8): return false  // documentation
    case (0x20, 0x02, _, _): return false  // 6to4
    case (0x3F, 0xFF, 0x00 ... 0x0F, _): return false  // documentation
    default: return true
    }
  }
}
