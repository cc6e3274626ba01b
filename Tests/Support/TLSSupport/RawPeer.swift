internal import COpenSSL

/// Another TLS program than ours, over OpenSSL's own memory BIOs: as old or as odd as a test wants.
package final class RawPeer {
  package struct Options: Sendable {
    package enum Version: Sendable {
      case tls10
      case tls11
      case tls12
      case tls13
    }

    package var isServer = false
    package var lowest = Version.tls10
    package var highest = Version.tls13
    /// OpenSSL's list for TLS 1.2 and older.
    package var ciphers: String?
    package var groups: String?
    /// Names offered by ALPN; empty for no ALPN at all.
    package var protocols = ["h2"]
    package var certificate: TestAuthority.Files?

    package init() {}
  }

  package private(set) var failure: String?
  private let context: OpaquePointer
  private let ssl: OpaquePointer
  private let incoming: OpaquePointer
  private let outgoing: OpaquePointer

  package init(_ options: Options) throws {
    let method = options.isServer ? TLS_server_method() : TLS_client_method()
    guard let context = SSL_CTX_new(method), let incoming = BIO_new(BIO_s_mem()),
      let outgoing = BIO_new(BIO_s_mem())
    else { throw TestAuthority.Problem(description: "no context") }
    SSL_CTX_set_security_level(context, 0)
    guard
      copenssl_set_protocols(context, Self.number(options.lowest), Self.number(options.highest))
        == 1,
      SSL_CTX_set_cipher_list(context, options.ciphers ?? "ALL:@SECLEVEL=0") == 1,
      options.groups.map({ copenssl_set_groups(context, $0) }) ?? 1 == 1
    else { throw TestAuthority.Problem(description: "the options are not known to OpenSSL") }
    SSL_CTX_set_verify(context, SSL_VERIFY_NONE, nil)
    if let files = options.certificate {
      guard SSL_CTX_use_certificate_chain_file(context, files.certificate) == 1,
        SSL_CTX_use_PrivateKey_file(context, files.key, SSL_FILETYPE_PEM) == 1
      else { throw TestAuthority.Problem(description: "the certificate can't be loaded") }
    }
    if options.isServer, !options.protocols.isEmpty {
      // Takes the first that the client offers.
      SSL_CTX_set_alpn_select_cb(
        context,
        { _, chosen, length, offered, _, _ in
          guard let offered else { return SSL_TLSEXT_ERR_NOACK }
          chosen?.pointee = offered + 1
          length?.pointee = offered[0]
          return SSL_TLSEXT_ERR_OK
        },
        nil
      )
    }
    guard let ssl = SSL_new(context) else { throw TestAuthority.Problem(description: "no SSL") }
    if !options.isServer, !options.protocols.isEmpty {
      let list = options.protocols.flatMap { [UInt8($0.utf8.count)] + Array($0.utf8) }
      SSL_set_alpn_protos(ssl, list, UInt32(list.count))
    }
    SSL_set_bio(ssl, incoming, outgoing)
    if options.isServer { SSL_set_accept_state(ssl) } else { SSL_set_connect_state(ssl) }
    (self.context, self.ssl, self.incoming, self.outgoing) = (context, ssl, incoming, outgoing)
  }

  deinit {
    SSL_free(ssl)
    SSL_CTX_free(context)
  }

  package var isEstablished: Bool { SSL_is_init_finished(ssl) == 1 }
  /// The host that a client says it wants (SNI), once its first flight has come.
  package var serverName: String? {
    SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name).map { String(cString: $0) }
  }
  package var version: String { SSL_get_version(ssl).map { String(cString: $0) } ?? "" }

  /// Takes ciphertext, goes on as far as it can, returns the plaintext that came.
  package func receive(_ ciphertext: [UInt8]) -> [UInt8] {
    if !ciphertext.isEmpty { BIO_write(incoming, ciphertext, Int32(ciphertext.count)) }
    ERR_clear_error()
    if !isEstablished {
      let result = SSL_do_handshake(ssl)
      if result != 1 {
        note(result)
        return []
      }
    }
    var plaintext: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 20_000)
    while true {
      let count = SSL_read(ssl, &chunk, Int32(chunk.count))
      guard count > 0 else {
        note(count)
        return plaintext
      }
      plaintext += chunk[..<Int(count)]
    }
  }

  package func send(_ plaintext: [UInt8]) {
    SSL_write(ssl, plaintext, Int32(plaintext.count))
  }

  /// Asks for a new handshake in the session. Returns whether the peer may be asked at all.
  package func renegotiate() -> Bool {
    ERR_clear_error()
    return SSL_renegotiate(ssl) == 1 && SSL_do_handshake(ssl) == 1
  }

  package func close() { SSL_shutdown(ssl) }

  /// Ciphertext for the peer.
  package func takeOutput() -> [UInt8] {
    var all: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 20_000)
    while true {
      let count = BIO_read(outgoing, &chunk, Int32(chunk.count))
      guard count > 0 else { return all }
      all += chunk[..<Int(count)]
    }
  }

  private func note(_ result: Int32) {
    guard SSL_get_error(ssl, result) == SSL_ERROR_SSL else { return }
    let code = ERR_get_error()
    failure = ERR_reason_error_string(code).map { String(cString: $0) } ?? "error \(code)"
    ERR_clear_error()
  }

  private static func number(_ version: Options.Version) -> Int32 {
    switch version {
    case .tls10: TLS1_VERSION
    case .tls11: TLS1_1_VERSION
    case .tls12: TLS1_2_VERSION
    case .tls13: TLS1_3_VERSION
    }
  }
}
