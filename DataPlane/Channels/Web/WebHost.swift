/// A web host as routes name it: lower-case, without port and without a dot at the end.
enum WebHost {
  /// From the Host header or an origin's authority; nil when it is no host name.
  static func normalized(_ authority: String?) -> String? {
    guard var host = authority?.lowercased(), !host.isEmpty, host.utf8.count <= 260 else {
      return nil
    }
    if host.hasPrefix("[") {
      guard let end = host.firstIndex(of: "]") else { return nil }
      return String(host[...end])
    }
    if let colon = host.lastIndex(of: ":") {
      guard host[host.index(after: colon)...].allSatisfy(\.isNumber) else { return nil }
      host = String(host[..<colon])
    }
    if host.hasSuffix(".") { host.removeLast() }
    let isName = host.utf8.allSatisfy { byte in
      switch byte {
      case UInt8(ascii: "a") ... UInt8(ascii: "z"), UInt8(ascii: "0") ... UInt8(ascii: "9"),
        UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"):
        true
      default: false
      }
    }
    return isName && !host.isEmpty ? host : nil
  }

  /// Whether an Origin header (RFC 6454) names this host; a request without one is no page's.
  static func isSame(origin: String?, host: String) -> Bool {
    guard let origin else { return true }
    for scheme in ["https://", "http://"] where origin.hasPrefix(scheme) {
      return normalized(String(origin.dropFirst(scheme.count))) == host
    }
    return false
  }
}
