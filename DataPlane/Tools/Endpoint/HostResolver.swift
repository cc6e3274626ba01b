internal import NIOCore
internal import NIOPosix

/// Asks the system for hosts' addresses, on threads of its own, because the system's call blocks.
final class HostResolver: Sendable {
  private let pool: NIOThreadPool

  /// - Parameter threads: most look-ups at once; others wait.
  init(threads: Int = 8) {
    pool = NIOThreadPool(numberOfThreads: threads)
    pool.start()
  }

  /// The first address, in the system's order of preference.
  func resolve(_ host: String, port: Int) async throws -> SocketAddress {
    do {
      return try await pool.runIfActive {
        try SocketAddress.makeAddressResolvingHost(host, port: port)
      }
    } catch is CancellationError {
      throw CancellationError()
    } catch {
      throw ToolFailure(.unresolved)
    }
  }

  func shutDown() async throws { try await pool.shutdownGracefully() }
}
