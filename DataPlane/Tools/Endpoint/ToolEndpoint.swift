internal import Foundation
internal import NIOCore

/// A tool's URL, checked by everything that its text alone tells.
struct ToolEndpoint: Hashable {
  var url: URL
  /// As the HTTP client will read it out of `url`: IPv6 addresses without brackets.
  var host: String
  var port: Int
  /// True: the operator lets this host and port be reached without https and on private addresses.
  var isAllowed: Bool

  /// - Parameter allow: "host:port" entries in lower case.
  init(_ text: String, allow: Set<String>) throws(ToolFailure) {
    guard let url = URL(string: text), let scheme = url.scheme?.lowercased(),
      scheme == "https" || scheme == "http", let host = url.host, !host.isEmpty,
      url.user == nil, url.password == nil
    else { throw ToolFailure(.badURL) }
    let port = url.port ?? (scheme == "https" ? 443 : 80)
    self.url = url
    let isBracketed = host.hasPrefix("[") && host.hasSuffix("]")
    self.host = isBracketed ? String(host.dropFirst().dropLast()) : host
    self.port = port
    let name = self.host.lowercased()
    isAllowed = allow.contains(name.contains(":") ? "[\(name)]:\(port)" : "\(name):\(port)")
    guard isAllowed || scheme == "https" else { throw ToolFailure(.insecureURL) }
  }

  /// The address to connect to: resolved once, judged, and then used as it is.
  func address(by resolver: HostResolver) async throws -> SocketAddress {
    let address = try await resolver.resolve(host, port: port)
    guard isAllowed || AddressRules.isPublic(address) else { throw ToolFailure(.privateAddress) }
    return address
  }
}
