internal import Logging
internal import NIOCore
internal import Synchronization
internal import TLS

/// TLS or its absence on one connection, and what came of it; between its loop and its calls' tasks.
final class ConnectionSecurity: Sendable {
  private struct State {
    var peer: PeerIdentity?
    var failure: String?
    var hasTLS = false
  }

  private let state = Mutex(State())

  /// Set before the first call of the connection.
  var peer: PeerIdentity? { state.withLock { $0.peer } }
  /// Why a client's connection came to nothing. Servers that meet the wrong kind of client mostly just
  /// close, so that is worth a guess.
  var failure: String {
    let (failure, hasTLS) = state.withLock { ($0.failure, $0.hasTLS) }
    return failure ?? "the server closed the connection at once"
      + (hasTLS ? "" : "; if it expects TLS, name its trust roots (tls-ca)")
  }

  /// Puts the handler of a server's connection in. Only on the channel's loop, before the connection
  /// handler is added.
  func guardServer(
    _ channel: any Channel,
    configuration: ServerTransportConfiguration,
    logger: Logger
  ) throws {
    var logger = logger
    logger[metadataKey: "peer"] = "\(TransportAddress(channel.remoteAddress).peerName)"
    guard let tls = configuration.tls else {
      let handler = PlaintextGuard(logger: logger) { configuration.metrics.note(.handshakeFailed) }
      try channel.pipeline.syncOperations.addHandler(handler)
      return
    }
    let handler = TLSHandler(
      session: try TLSSession(context: tls.current),
      handshakeTimeout: configuration.handshakeTimeout,
      logger: logger,
      onEstablished: { identity in
        self.state.withLock { $0.peer = identity }
      },
      onFailure: { _ in configuration.metrics.note(.handshakeFailed) }
    )
    try channel.pipeline.syncOperations.addHandler(handler)
  }

  /// The same for a client's.
  func guardClient(
    _ channel: any Channel,
    to address: TransportAddress,
    configuration: ClientTransportConfiguration,
    logger: Logger
  ) throws {
    guard let tls = configuration.tls else {
      let handler = PlaintextGuard(logger: logger) {
        configuration.metrics.note(.handshakeFailed)
        self.fail("the server speaks TLS and this client does not; name its trust roots (tls-ca)")
      }
      try channel.pipeline.syncOperations.addHandler(handler)
      return
    }
    state.withLock { $0.hasTLS = true }
    let handler = TLSHandler(
      session: try TLSSession(
        context: tls.current,
        serverName: configuration.tlsServerName ?? address.serverName
      ),
      handshakeTimeout: configuration.handshakeTimeout,
      logger: logger,
      onEstablished: { _ in },
      onFailure: { failure in
        configuration.metrics.note(.handshakeFailed)
        let reason =
          switch failure.code {
          case .plaintextPeer:
            "the server does not speak TLS and this client does; connect to its TLS port, or leave tls-ca away"
          case .cutOff:
            "the server closed the connection during the TLS handshake; check that it is a TLS port"
          default: failure.description
          }
        self.fail(reason)
      }
    )
    try channel.pipeline.syncOperations.addHandler(handler)
  }

  private func fail(_ reason: String) {
    state.withLock { $0.failure = $0.failure ?? reason }
  }
}

extension TransportAddress {
  /// The name that a server's certificate is expected to have.
  var serverName: String {
    switch self {
    case .tcp(let host, _): host
    case .unix: "localhost"
    }
  }
}
