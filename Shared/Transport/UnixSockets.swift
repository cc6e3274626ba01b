internal import Foundation
internal import NIOCore
internal import NIOPosix

extension HTTP2ServerTransport {
  /// Removes a socket that a dead server left; one that somebody listens on stays.
  ///
  /// - Throws: `IOError` EADDRINUSE when it is alive.
  func removeStaleSocket(_ path: String) throws {
    var status = stat()
    guard lstat(path, &status) == 0 else { return }
    let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
    guard descriptor >= 0 else { throw IOError(errnoCode: errno, reason: "socket") }
    defer { close(descriptor) }
    let isAlive = try SocketAddress(unixDomainSocketPath: path).withSockAddr { address, length in
      connect(descriptor, address, socklen_t(length)) == 0
    }
    if isAlive { throw IOError(errnoCode: EADDRINUSE, reason: "connect") }
    guard unlink(path) == 0 else { throw IOError(errnoCode: errno, reason: "unlink") }
  }
}
