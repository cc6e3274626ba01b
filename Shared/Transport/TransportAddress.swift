internal import NIOCore

/// Where a server listens or a client connects.
package enum TransportAddress: Hashable, Sendable, CustomStringConvertible {
  case tcp(host: String, port: Int)
  case unix(path: String)

  /// What is wrong with an address.
  package struct Malformed: Error, Hashable, CustomStringConvertible {
    package let text: String
    package var description: String {
      "'\(text)' is no address; write HOST:PORT, [IPv6]:PORT or unix:/path"
    }
  }

  /// Reads "HOST:PORT", "[IPv6]:PORT" or "unix:/path".
  ///
  /// - Throws: `Malformed`.
  package init(parsing text: String) throws {
    if text.hasPrefix("unix:") {
      let path = String(text.dropFirst("unix:".count))
      // The system's limit is 108 bytes with the final zero (unix(7)).
      guard path.hasPrefix("/"), path.utf8.count < 108 else { throw Malformed(text: text) }
      self = .unix(path: path)
      return
    }
    guard let colon = text.lastIndex(of: ":"),
      let port = Int(text[text.index(after: colon)...]), (0 ... 65535).contains(port)
    else { throw Malformed(text: text) }
    var host = text[..<colon]
    if host.hasPrefix("["), host.hasSuffix("]") {
      host = host.dropFirst().dropLast()
    } else if host.contains(":") {
      throw Malformed(text: text)
    }
    guard !host.isEmpty, !host.contains(where: { $0.isWhitespace || $0 == "/" }) else {
      throw Malformed(text: text)
    }
    self = .tcp(host: String(host), port: port)
  }

  /// Whether only this machine can reach it: a unix socket, or loopback (127.0.0.0/8, ::1).
  package var isLocal: Bool {
    switch self {
    case .unix: return true
    case .tcp(let host, _):
      if host == "localhost" || host == "::1" { return true }
      let octets = host.split(separator: ".", omittingEmptySubsequences: false)
      return octets.count == 4 && octets[0] == "127" && octets.allSatisfy { UInt8($0) != nil }
    }
  }

  package var description: String {
    switch self {
    case .tcp(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
    case .unix(let path): "unix:\(path)"
    }
  }

  init(_ address: SocketAddress?) {
    guard let address else {
      self = .tcp(host: "unknown", port: 0)
      return
    }
    if let path = address.pathname, address.protocol == .unix {
      self = .unix(path: path)
    } else {
      self = .tcp(host: address.ipAddress ?? "unknown", port: address.port ?? 0)
    }
  }

  /// As gRPC names peers: "ipv4:127.0.0.1:50051", "ipv6:[::1]:50051", "unix:/path".
  var peerName: String {
    switch self {
    case .unix: description
    case .tcp(let host, _): (host.contains(":") ? "ipv6:" : "ipv4:") + description
    }
  }
}
