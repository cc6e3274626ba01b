package import GRPCCore
package import HTTP2
package import TLS

/// Limits and times of a server transport.
package struct ServerTransportConfiguration: Sendable {
  package var http2 = HTTP2Configuration()
  /// Most bytes of one received message; above it the call ends with RESOURCE_EXHAUSTED.
  package var maxReceivedMessageBytes = 4 * 1024 * 1024
  /// Answers in gzip to clients that take it, unless a response's metadata says otherwise
  /// (`Metadata.compression`). What comes compressed is taken in any case.
  package var compressesResponses = false
  /// A connection silent for this long is asked by a PING; for twice as long, closed.
  package var keepalive: Duration = .seconds(20)
  /// Methods whose handlers run on the loop of their connection: fast, but whatever blocks or computes
  /// for long there holds up every connection of the loop. The others run on the global executor.
  package var runsOnLoop: @Sendable (MethodDescriptor) -> Bool = { _ in true }
  /// A graceful shutdown gives running calls this long, then cancels them.
  package var drain: Duration = .seconds(10)
  /// Certificates of the server; without it, connections are plaintext.
  package var tls: ReloadingTLSContext?
  /// Time for a TLS handshake, however slowly its bytes come.
  package var handshakeTimeout: Duration = .seconds(10)

  package init() {}
}

/// Limits and times of a client transport.
package struct ClientTransportConfiguration: Sendable {
  package var http2 = HTTP2Configuration()
  /// Most bytes of one received message, unless the call's options say otherwise.
  package var maxReceivedMessageBytes = 64 * 1024 * 1024
  /// Sends messages in gzip, unless the call's options say otherwise.
  package var compressesRequests = false
  package var keepalive: Duration = .seconds(10)
  /// Time for one attempt to connect.
  package var connectTimeout: Duration = .seconds(5)
  package var backoff = Backoff()
  /// Whom the client trusts and who it is; without it, connections are plaintext.
  package var tls: ReloadingTLSContext?
  /// The name that the server's certificate has to have, when it is not the host connected to.
  package var tlsServerName: String?
  package var handshakeTimeout: Duration = .seconds(10)

  package init() {}
}

/// Waits between attempts to connect: exponential with jitter
/// (gRPC's doc/connection-backoff.md; shorter times, since a node's cache ages meanwhile).
package struct Backoff: Hashable, Sendable {
  package var initial: Duration = .milliseconds(50)
  package var multiplier = 1.6
  package var jitter = 0.2
  package var maximum: Duration = .seconds(3)

  package init() {}

  /// The wait after `failures` attempts in a row failed; `random` is in -1...1.
  package func delay(failures: Int, random: Double) -> Duration {
    var delay = initial
    for _ in 1 ..< max(failures, 1) {
      delay = delay * multiplier
      if delay >= maximum { break }
    }
    return min(delay, maximum) * (1 + jitter * random)
  }
}
