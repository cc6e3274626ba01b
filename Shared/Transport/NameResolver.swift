internal import Foundation
package import NIOCore
internal import NIOPosix

/// Finds the addresses of a host, in the order in which they are to be tried.
package struct NameResolver: Sendable {
  /// A host that could not be resolved.
  package struct Failure: Error, Hashable, CustomStringConvertible {
    package let host: String
    package let reason: String
    package var description: String { "the name '\(host)' can't be resolved: \(reason)" }
  }

  private let resolve: @Sendable (String, Int) async throws -> [SocketAddress]

  package init(_ resolve: @escaping @Sendable (String, Int) async throws -> [SocketAddress]) {
    self.resolve = resolve
  }

  /// - Throws: `Failure`, or what the resolver throws.
  func addresses(of host: String, port: Int) async throws -> [SocketAddress] {
    try await resolve(host, port)
  }

  /// getaddrinfo(3), on a thread of NIO's pool; it sorts by RFC 6724.
  package static let system = NameResolver { host, port in
    try await NIOThreadPool.singleton.runIfActive { try lookUp(host, port) }
  }

  private static func lookUp(_ host: String, _ port: Int) throws -> [SocketAddress] {
    var hints = addrinfo()
    hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    hints.ai_protocol = Int32(IPPROTO_TCP)
    var first: UnsafeMutablePointer<addrinfo>?
    let code = getaddrinfo(host, String(port), &hints, &first)
    guard code == 0 else {
      throw Failure(host: host, reason: String(cString: gai_strerror(code)))
    }
    defer { freeaddrinfo(first) }
    var addresses: [SocketAddress] = []
    var entry = first
    while let info = entry?.pointee {
      if let address = info.ai_addr {
        switch info.ai_family {
        case AF_INET:
          address.withMemoryRebound(to: sockaddr_in.self, capacity: 1) {
            addresses.append(SocketAddress($0.pointee))
          }
        case AF_INET6:
          address.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) {
            addresses.append(SocketAddress($0.pointee))
          }
        default: break
        }
      }
      entry = info.ai_next
    }
    return addresses
  }
}
