package import Logging
package import TLS
internal import UnixSignals

/// TLS as an operator sets it for a program: names of settings, and what follows from their values.
package enum TLSSettings {
  /// Of a program that serves.
  package static let server = ["tls-cert", "tls-key", "tls-client-ca", "tls-client"]
  /// Of a program that connects.
  package static let client = ["tls-ca", "tls-cert", "tls-key", "tls-server-name"]

  /// A server's, or nil for plaintext when none is set.
  ///
  /// With `tls-client-ca`, clients have to show a certificate unless `tls-client` says `optional`.
  /// - Throws: `CredentialFailure`.
  package static func server(
    logger: Logger,
    _ value: (String) -> String?
  ) throws(CredentialFailure) -> ReloadingTLSContext? {
    guard server.contains(where: { value($0) != nil }) else { return nil }
    let roots = value("tls-client-ca")
    let mode = value("tls-client") ?? (roots == nil ? "none" : "required")
    guard let clients = TLSRole.ClientCertificates(rawValue: mode) else {
      throw CredentialFailure(
        .incomplete,
        "",
        "tls-client is '\(mode)'; write required, optional or none"
      )
    }
    if roots == nil, clients != .none {
      throw CredentialFailure(
        .incomplete,
        "",
        "tls-client is \(mode), but nothing says who issues clients' certificates; set tls-client-ca"
      )
    }
    return try ReloadingTLSContext(
      role: .server(clients),
      credentials: TLSCredentials(
        certificate: value("tls-cert"),
        key: value("tls-key"),
        trustRoots: roots
      ),
      logger: logger
    )
  }

  /// A client's, or nil for plaintext when none is set.
  ///
  /// Without `tls-ca` the system's trust roots are used.
  /// - Throws: `CredentialFailure`.
  package static func client(
    logger: Logger,
    _ value: (String) -> String?
  ) throws(CredentialFailure) -> ReloadingTLSContext? {
    guard client.contains(where: { value($0) != nil }) else { return nil }
    return try ReloadingTLSContext(
      role: .client,
      credentials: TLSCredentials(
        certificate: value("tls-cert"),
        key: value("tls-key"),
        trustRoots: value("tls-ca")
      ),
      logger: logger
    )
  }
}

extension ReloadingTLSContext {
  /// Reads the files again when they change and on SIGHUP, until cancelled.
  package func follow() async {
    await withTaskGroup(of: Void.self) { group in
      group.addTask { await self.watch() }
      group.addTask {
        for await _ in await UnixSignalsSequence(trapping: .sighup) { self.reload() }
      }
    }
  }
}
