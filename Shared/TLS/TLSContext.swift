internal import COpenSSL
package import Foundation

/// What a side does in a handshake.
package enum TLSRole: Hashable, Sendable {
  /// Whether a server asks clients for a certificate.
  package enum ClientCertificates: String, Hashable, Sendable {
    case none
    /// A client may show one; if it does, it has to be good.
    case optional
    case required
  }

  case server(ClientCertificates)
  case client
}

/// Settings and credentials for many sessions: owns one `SSL_CTX`.
///
/// Mozilla's intermediate profile and nothing else (wiki.mozilla.org/Security/Server_Side_TLS, 5.7,
/// without its finite-field suites): TLS 1.2 with ECDHE and AEAD, TLS 1.3. No renegotiation, no
/// compression, no resumption: every session verifies its peer against the current credentials.
///
/// `@unchecked Sendable`: the `SSL_CTX` is not changed after `init`, and OpenSSL counts references to
/// it atomically (openssl-threads(7)).
package final class TLSContext: @unchecked Sendable {
  package let role: TLSRole
  /// What an operator should know although it works, one line each.
  package let warnings: [String]
  /// Our own certificate, if we show one.
  package let certificate: Certificate?

  /// Only for `TLSSession`, which makes its `SSL` of it.
  let pointer: OpaquePointer
  /// How sessions hand ciphertext over; lives as long as they.
  let bytesMethod: OpaquePointer

  private static let suites12 = [
    "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-RSA-CHACHA20-POLY1305",
  ]
  private static let suites13 = [
    "TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256",
  ]

  /// - Throws: `CredentialFailure`.
  package convenience init(
    role: TLSRole,
    credentials: TLSCredentials,
    now: Date = Date()
  ) throws(CredentialFailure) {
    try self.init(Loaded(role: role, credentials: credentials, now: now))
  }

  private init(_ loaded: consuming Loaded) throws(CredentialFailure) {
    role = loaded.role
    warnings = loaded.warnings
    certificate = loaded.chain.first
    OpenSSLErrors.clear()
    let method = role == .client ? TLS_client_method() : TLS_server_method()
    guard let pointer = SSL_CTX_new(method) else { throw Self.library() }
    guard let bytesMethod = TLSSession.makeBytesMethod() else {
      SSL_CTX_free(pointer)
      throw Self.library()
    }
    self.pointer = pointer
    self.bytesMethod = bytesMethod
    // From here on deinit frees both.
    try applyProfile()
    try install(loaded)
    if case .server = role { requireHTTP2() }
  }

  deinit {
    SSL_CTX_free(pointer)
    BIO_meth_free(bytesMethod)
  }

  private static func library() -> CredentialFailure {
    CredentialFailure(.unsuitable, "", "TLS can't be set up: \(OpenSSLErrors.text())")
  }

  private func applyProfile() throws(CredentialFailure) {
    // Set explicitly, since the system's openssl.cnf may say otherwise.
    SSL_CTX_set_security_level(pointer, 2)
    SSL_CTX_set_options(pointer, copenssl_modern_options())
    copenssl_set_modes(pointer)
    copenssl_forget_sessions(pointer)
    copenssl_limit_certificates(pointer, 64 * 1024)
    guard copenssl_set_protocols(pointer, TLS1_2_VERSION, TLS1_3_VERSION) == 1,
      SSL_CTX_set_num_tickets(pointer, 0) == 1,
      SSL_CTX_set_cipher_list(pointer, Self.suites12.joined(separator: ":")) == 1,
      SSL_CTX_set_ciphersuites(pointer, Self.suites13.joined(separator: ":")) == 1,
      copenssl_set_groups(pointer, "X25519:P-256:P-384") == 1
    else { throw Self.library() }
  }

  // MARK: - Credentials

  private func install(_ loaded: borrowing Loaded) throws(CredentialFailure) {
    if let leaf = loaded.chain.first {
      guard SSL_CTX_use_certificate_ASN1(pointer, Int32(leaf.der.count), leaf.der) == 1 else {
        throw CredentialFailure(
          .unsuitable,
          loaded.certificatePath,
          "holds a certificate that modern TLS does not allow: \(OpenSSLErrors.text())"
        )
      }
      for intermediate in loaded.chain.dropFirst() {
        try withX509(intermediate, loaded.certificatePath) {
          copenssl_add_chain_certificate(pointer, $0)
        }
      }
      try installKey(loaded)
    }
    switch role {
    case .client:
      SSL_CTX_set_verify(pointer, SSL_VERIFY_PEER, nil)
      if loaded.roots.isEmpty, SSL_CTX_set_default_verify_paths(pointer) != 1 {
        throw Self.library()
      }
    case .server(.none):
      SSL_CTX_set_verify(pointer, SSL_VERIFY_NONE, nil)
    case .server(.optional):
      SSL_CTX_set_verify(pointer, SSL_VERIFY_PEER, nil)
    case .server(.required):
      SSL_CTX_set_verify(pointer, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nil)
    }
    try installRoots(loaded)
  }

  private func installKey(_ loaded: borrowing Loaded) throws(CredentialFailure) {
    let path = loaded.keyPath
    let key: OpaquePointer? = loaded.key.withUnsafeBytes { buffer in
      guard let bio = BIO_new_mem_buf(buffer.baseAddress, Int32(buffer.count)) else { return nil }
      defer { BIO_free(bio) }
      // Without a callback OpenSSL would ask at the terminal for a passphrase.
      return PEM_read_bio_PrivateKey(bio, nil, { _, _, _, _ in -1 }, nil)
    }
    guard let key else {
      OpenSSLErrors.clear()
      throw CredentialFailure(
        .notPEM,
        path,
        "holds no private key in PEM form (-----BEGIN PRIVATE KEY-----)"
      )
    }
    defer { EVP_PKEY_free(key) }
    guard X509_check_private_key(SSL_CTX_get0_certificate(pointer), key) == 1 else {
      OpenSSLErrors.clear()
      throw CredentialFailure(
        .keyMismatch,
        path,
        "is not the key of the certificate in \(loaded.certificatePath); give the two that belong together"
      )
    }
    guard SSL_CTX_use_PrivateKey(pointer, key) == 1 else {
      throw CredentialFailure(.unsuitable, path, "can't be used: \(OpenSSLErrors.text())")
    }
  }

  private func installRoots(_ loaded: borrowing Loaded) throws(CredentialFailure) {
    guard let store = SSL_CTX_get_cert_store(pointer) else { throw Self.library() }
    for root in loaded.roots {
      try withX509(root, loaded.rootsPath) { X509_STORE_add_cert(store, $0) }
      if case .server = role {
        try withX509(root, loaded.rootsPath) { SSL_CTX_add_client_CA(pointer, $0) }
      }
    }
    // A named certificate is trusted whether or not it is self-signed.
    X509_STORE_set_flags(store, UInt(X509_V_FLAG_PARTIAL_CHAIN))
  }

  private func withX509(
    _ certificate: Certificate,
    _ path: String,
    _ body: (OpaquePointer) -> Int32
  ) throws(CredentialFailure) {
    let parsed = certificate.der.withUnsafeBufferPointer { buffer in
      var cursor = buffer.baseAddress
      return d2i_X509(nil, &cursor, buffer.count)
    }
    guard let parsed else { throw Self.library() }
    defer { X509_free(parsed) }
    guard body(parsed) == 1 else {
      throw CredentialFailure(
        .unsuitable,
        path,
        "holds a certificate that can't be used: \(OpenSSLErrors.text())"
      )
    }
  }

  // MARK: - ALPN

  /// A server takes HTTP/2 and nothing else. The client hello is looked at first because OpenSSL asks
  /// for a choice only when the client offers something.
  private func requireHTTP2() {
    SSL_CTX_set_client_hello_cb(
      pointer,
      { ssl, alert, _ in
        var extensionBytes: UnsafePointer<UInt8>?
        var length = 0
        let alpn = UInt32(TLSEXT_TYPE_application_layer_protocol_negotiation)
        if SSL_client_hello_get0_ext(ssl, alpn, &extensionBytes, &length) == 1 {
          return SSL_CLIENT_HELLO_SUCCESS
        }
        alert?.pointee = SSL_AD_NO_APPLICATION_PROTOCOL
        return SSL_CLIENT_HELLO_ERROR
      },
      nil
    )
    SSL_CTX_set_alpn_select_cb(
      pointer,
      { _, chosen, chosenLength, offered, offeredLength, _ in
        // A list of names, each behind its length (RFC 7301 section 3.1).
        var offset = 0
        while let offered, offset < Int(offeredLength) {
          let length = Int(offered[offset])
          guard offset + 1 + length <= Int(offeredLength) else { break }
          if length == 2, offered[offset + 1] == UInt8(ascii: "h"),
            offered[offset + 2] == UInt8(ascii: "2")
          {
            // Points into the client hello, which OpenSSL copies from.
            chosen?.pointee = offered + offset + 1
            chosenLength?.pointee = 2
            return SSL_TLSEXT_ERR_OK
          }
          offset += 1 + length
        }
        return SSL_TLSEXT_ERR_ALERT_FATAL
      },
      nil
    )
  }
}
