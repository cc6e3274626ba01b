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
  /// A connection silent for this long is asked for a sign of life, and closed without one.
  package var keepalive: Duration? = .seconds(20)
  package var keepaliveTimeout: Duration = .seconds(20)
  /// How often clients may ask.
  package var pings = PingPolicy()
  /// A connection of this age, give or take a tenth, takes no more calls; nil for any age.
  package var maxConnectionAge: Duration?
  /// What running calls get beyond that age; nil for all the time they want.
  package var maxConnectionAgeGrace: Duration?
  /// A connection without calls for this long, give or take a tenth, is ended; nil for never.
  package var maxConnectionIdle: Duration? = .seconds(300)
  /// From the connection (from the end of the TLS handshake) to the client's first SETTINGS.
  package var prefaceTimeout: Duration = .seconds(10)
  /// From the first byte of a header block to its last.
  package var headerBlockTimeout: Duration = .seconds(10)
  /// A client that takes no byte of what waits for it, for this long, is left.
  package var unreadTimeout: Duration = .seconds(30)
  package var metrics = TransportMetrics()
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
  /// A connection with calls, silent for this long, is asked for a sign of life and closed without one.
  /// Doubled when a server complains ("too_many_pings" of gRPC's proposal A8).
  package var keepalive: Duration? = .seconds(10)
  package var keepaliveTimeout: Duration = .seconds(20)
  /// Asks also while no call is open, which most servers resent.
  package var keepaliveWithoutCalls = false
  /// Finds the addresses of a host; asked again for every round of attempts.
  package var resolver = NameResolver.system
  /// Time for one attempt to connect, and then for the server's first SETTINGS: one that accepts and
  /// says nothing must not hold up the ones after it.
  package var connectTimeout: Duration = .seconds(5)
  /// From the first byte of a header block to its last.
  package var headerBlockTimeout: Duration = .seconds(10)
  /// A server that takes no byte of what waits for it, for this long, is left.
  package var unreadTimeout: Duration = .seconds(30)
  package var metrics = TransportMetrics()
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

extension ServerTransportConfiguration {
  var life: ConnectionLife.Limits {
    var limits = ConnectionLife.Limits()
    limits.keepalive = keepalive
    limits.keepaliveTimeout = keepaliveTimeout
    limits.keepaliveWithoutCalls = true
    limits.maxAge = maxConnectionAge
    limits.maxAgeGrace = maxConnectionAgeGrace
    limits.maxIdle = maxConnectionIdle
    limits.preface = prefaceTimeout
    limits.headerBlock = headerBlockTimeout
    limits.unread = unreadTimeout
    return limits
  }
}

extension ClientTransportConfiguration {
  var life: ConnectionLife.Limits {
    var limits = ConnectionLife.Limits()
    limits.keepalive = keepalive
    limits.keepaliveTimeout = keepaliveTimeout
    limits.keepaliveWithoutCalls = keepaliveWithoutCalls
    limits.preface = connectTimeout
    limits.headerBlock = headerBlockTimeout
    limits.unread = unreadTimeout
    return limits
  }
}
