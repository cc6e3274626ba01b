internal import COpenSSL
package import NIOCore
internal import Synchronization

/// One TLS session without I/O: owns one `SSL`. Ciphertext in, plaintext out, and back.
///
/// Belongs to one event loop. Every method may leave ciphertext in `takeOutput()`, also when it
/// throws: the alert that tells the peer why.
package final class TLSSession {
  package enum State: Hashable, Sendable {
    case handshaking
    case established
    /// The peer ended the session in order (close_notify); nothing more comes from it.
    case endedByPeer
    case failed
  }

  package private(set) var state = State.handshaking
  /// Whether we ended our side.
  package private(set) var isClosed = false

  private let context: TLSContext
  private let ssl: OpaquePointer
  private var output = ByteBuffer()
  /// Ciphertext that OpenSSL takes while `receive` runs; empty otherwise.
  private var input = UnsafeRawBufferPointer(start: nil, count: 0)
  private var hasReceived = false

  private static let live = Atomic<Int>(0)
  /// Sessions that exist in this process.
  package static var liveCount: Int { live.load(ordering: .relaxed) }

  /// - Parameter serverName: The host name or IP address that a client wants to reach; the server's
  ///   certificate has to name it (RFC 6125, by subject alternative names only).
  /// - Throws: `TLSFailure` with code `library`.
  package init(context: TLSContext, serverName: String? = nil) throws(TLSFailure) {
    OpenSSLErrors.clear()
    guard let ssl = SSL_new(context.pointer) else { throw Self.library() }
    guard let bytes = BIO_new(context.bytesMethod) else {
      SSL_free(ssl)
      throw Self.library()
    }
    self.context = context
    self.ssl = ssl
    Self.live.add(1, ordering: .relaxed)
    // The BIO is freed with the SSL, before us.
    BIO_set_data(bytes, Unmanaged.passUnretained(self).toOpaque())
    SSL_set_bio(ssl, bytes, bytes)
    switch context.role {
    case .server: SSL_set_accept_state(ssl)
    case .client:
      SSL_set_connect_state(ssl)
      try expect(serverName)
    }
  }

  deinit {
    SSL_free(ssl)
    Self.live.subtract(1, ordering: .relaxed)
  }

  private static func library() -> TLSFailure {
    TLSFailure(.library, "a session can't be made: \(OpenSSLErrors.text())")
  }

  private func expect(_ serverName: String?) throws(TLSFailure) {
    let protocols: [UInt8] = [2, UInt8(ascii: "h"), UInt8(ascii: "2")]
    guard SSL_set_alpn_protos(ssl, protocols, UInt32(protocols.count)) == 0 else {
      throw Self.library()
    }
    guard let name = serverName, !name.isEmpty, let parameters = SSL_get0_param(ssl) else {
      throw TLSFailure(.library, "a client has to say which server it wants to reach")
    }
    if X509_VERIFY_PARAM_set1_ip_asc(parameters, name) == 1 { return }
    OpenSSLErrors.clear()
    X509_VERIFY_PARAM_set_hostflags(
      parameters,
      UInt32(X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT)
    )
    // A trailing dot is the DNS's notation, not part of the name in a certificate.
    let host = name.hasSuffix(".") ? String(name.dropLast()) : name
    guard X509_VERIFY_PARAM_set1_host(parameters, host, 0) == 1,
      copenssl_set_server_name(ssl, host) == 1
    else { throw TLSFailure(.library, "'\(name)' can't be a server's name") }
  }

  // MARK: - Life

  /// A client's first flight; nothing for a server.
  ///
  /// - Throws: `TLSFailure`.
  package func start() throws(TLSFailure) {
    guard state == .handshaking, context.role == .client else { return }
    try advanceHandshake()
  }

  /// Takes ciphertext and appends what it holds to `plaintext`, also when it throws.
  ///
  /// Bytes after the end of the session are ignored.
  /// - Throws: `TLSFailure`.
  package func receive(
    _ ciphertext: ByteBuffer,
    into plaintext: inout ByteBuffer
  ) throws(TLSFailure) {
    let result = ciphertext.withUnsafeReadableBytes { bytes in
      Result { () throws(TLSFailure) in try take(bytes, into: &plaintext) }
    }
    try result.get()
  }

  private func take(
    _ ciphertext: UnsafeRawBufferPointer,
    into plaintext: inout ByteBuffer
  ) throws(TLSFailure) {
    guard !ciphertext.isEmpty, state == .handshaking || state == .established else { return }
    if !hasReceived {
      hasReceived = true
      try checkFirst(ciphertext[0])
    }
    input = ciphertext
    defer { input = UnsafeRawBufferPointer(start: nil, count: 0) }
    if state == .handshaking { try advanceHandshake() }
    if state == .established { try read(into: &plaintext) }
  }

  /// Encrypts all of `plaintext`, in records of 16 KiB and a last one.
  ///
  /// - Throws: `TLSFailure`; only an established session takes plaintext, until we close it; the
  ///   peer's end does not end ours (RFC 8446 section 6.1).
  package func send(_ plaintext: ByteBuffer) throws(TLSFailure) {
    let result = plaintext.withUnsafeReadableBytes { bytes in
      Result { () throws(TLSFailure) in try encrypt(bytes) }
    }
    try result.get()
  }

  private func encrypt(_ plaintext: UnsafeRawBufferPointer) throws(TLSFailure) {
    guard state == .established || state == .endedByPeer, !isClosed else {
      throw TLSFailure(.cutOff, "the session takes nothing to send")
    }
    guard !plaintext.isEmpty else { return }
    let records = plaintext.count / 16_384 + 1
    output.reserveCapacity(minimumWritableBytes: plaintext.count + records * 64)
    OpenSSLErrors.clear()
    var written = 0
    // All is taken at once, since our BIO never refuses.
    let result = SSL_write_ex(ssl, plaintext.baseAddress, plaintext.count, &written)
    guard result == 1, written == plaintext.count else { throw fail(SSL_get_error(ssl, result)) }
  }

  /// Ends our side with close_notify; while still shaking hands there is nothing to end.
  package func close() {
    guard !isClosed else { return }
    isClosed = true
    guard state == .established || state == .endedByPeer else { return }
    OpenSSLErrors.clear()
    if SSL_shutdown(ssl) < 0 { OpenSSLErrors.clear() }
  }

  /// Ciphertext for the peer, and forgets it. Nil when there is none.
  package func takeOutput() -> ByteBuffer? {
    guard output.readableBytes > 0 else { return nil }
    defer { output = ByteBuffer() }
    return output
  }

  // MARK: - What was agreed

  /// Who the peer is, once established; nil when it showed no certificate.
  package var peerIdentity: PeerIdentity? {
    guard state != .handshaking, state != .failed, SSL_get_verify_result(ssl) == X509_V_OK,
      let peer = SSL_get0_peer_certificate(ssl)
    else { return nil }
    let length = Int(i2d_X509(peer, nil))
    guard length > 0 else { return nil }
    let der = [UInt8](unsafeUninitializedCapacity: length) { buffer, count in
      var cursor = buffer.baseAddress
      count = max(0, Int(i2d_X509(peer, &cursor)))
    }
    return Certificate(der: der).map(PeerIdentity.init)
  }

  /// E.g. "TLSv1.3".
  package var protocolVersion: String { SSL_get_version(ssl).map { String(cString: $0) } ?? "" }

  /// E.g. "TLS_AES_128_GCM_SHA256".
  package var cipherSuite: String {
    SSL_get_current_cipher(ssl).flatMap { SSL_CIPHER_get_name($0) }.map { String(cString: $0) }
      ?? ""
  }

  // MARK: - Steps

  private func checkFirst(_ byte: UInt8) throws(TLSFailure) {
    switch context.role {
    case .client:
      // A handshake or an alert (RFC 8446 section 5.1).
      if byte == 0x16 || byte == 0x15 { return }
    case .server:
      // HTTP's methods and HTTP/2's preface are capital letters.
      guard (UInt8(ascii: "A") ... UInt8(ascii: "Z")).contains(byte) else { return }
      // A fatal alert, handshake_failure, so that a peer can see what it met here.
      output.writeBytes([0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x28])
    }
    state = .failed
    throw TLSFailure(
      .plaintextPeer,
      context.role == .client ? "the server does not speak TLS" : "plaintext sent to a TLS port"
    )
  }

  private func advanceHandshake() throws(TLSFailure) {
    OpenSSLErrors.clear()
    let result = SSL_do_handshake(ssl)
    if result != 1 {
      let code = SSL_get_error(ssl, result)
      if code == SSL_ERROR_WANT_READ { return }
      throw fail(code)
    }
    var name: UnsafePointer<UInt8>?
    var length: UInt32 = 0
    SSL_get0_alpn_selected(ssl, &name, &length)
    guard let name, UnsafeBufferPointer(start: name, count: Int(length)).elementsEqual("h2".utf8)
    else {
      state = .failed
      throw TLSFailure(.noHTTP2, "the peer does not speak HTTP/2 (ALPN h2)")
    }
    state = .established
  }

  private func read(into plaintext: inout ByteBuffer) throws(TLSFailure) {
    while true {
      OpenSSLErrors.clear()
      var result: Int32 = 0
      plaintext.writeWithUnsafeMutableBytes(minimumWritableBytes: 1024) { room in
        var count = 0
        result = SSL_read_ex(ssl, room.baseAddress, room.count, &count)
        return result == 1 ? count : 0
      }
      if result == 1 { continue }
      switch SSL_get_error(ssl, result) {
      case SSL_ERROR_WANT_READ: return
      case SSL_ERROR_ZERO_RETURN:
        state = .endedByPeer
        return
      case let code: throw fail(code)
      }
    }
  }

  private func fail(_ code: Int32) -> TLSFailure {
    let isHandshake = state == .handshaking
    state = .failed
    guard code == SSL_ERROR_SSL || code == SSL_ERROR_SYSCALL else {
      OpenSSLErrors.clear()
      return TLSFailure(.library, "OpenSSL asked for what it never gets (SSL_get_error \(code))")
    }
    return .taken(isHandshake: isHandshake, verification: SSL_get_verify_result(ssl))
  }

  // MARK: - Bytes

  /// How an `SSL` reads and writes: from `input` and to `output`, without buffers of its own, so that
  /// an idle session holds none. The session is the BIO's data, unretained: it frees the BIO.
  static func makeBytesMethod() -> OpaquePointer? {
    guard let method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "bindery session") else { return nil }
    BIO_meth_set_create(method) { bio in
      BIO_set_init(bio, 1)
      return 1
    }
    BIO_meth_set_read(method) { bio, target, capacity in
      guard let data = BIO_get_data(bio), let target, capacity > 0 else { return -1 }
      let session = Unmanaged<TLSSession>.fromOpaque(data).takeUnretainedValue()
      let count = min(session.input.count, Int(capacity))
      guard count > 0 else {
        copenssl_want_read(bio)
        return -1
      }
      copenssl_clear_retry(bio)
      UnsafeMutableRawPointer(target).copyMemory(
        from: UnsafeRawBufferPointer(rebasing: session.input[..<count]).baseAddress
          ?? UnsafeRawPointer(target),
        byteCount: count
      )
      session.input = UnsafeRawBufferPointer(rebasing: session.input[count...])
      return Int32(count)
    }
    BIO_meth_set_write(method) { bio, source, count in
      guard let data = BIO_get_data(bio), let source, count > 0 else { return -1 }
      let session = Unmanaged<TLSSession>.fromOpaque(data).takeUnretainedValue()
      copenssl_clear_retry(bio)
      session.output.writeBytes(UnsafeRawBufferPointer(start: source, count: Int(count)))
      return count
    }
    // Flushing always works; OpenSSL asks for nothing else that this BIO could do.
    BIO_meth_set_ctrl(method) { _, command, _, _ in command == BIO_CTRL_FLUSH ? 1 : 0 }
    return method
  }
}
