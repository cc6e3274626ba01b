internal import COpenSSL

/// Why a handshake or an established session failed.
package struct TLSFailure: Error, Hashable, Sendable, CustomStringConvertible {
  package enum Code: Hashable, Sendable {
    /// The peer's first bytes are no TLS at all.
    case plaintextPeer
    /// The peer's certificate is not accepted here: unknown issuer, wrong name, expired, revoked.
    case certificateRejected
    /// The peer has to show a certificate and showed none.
    case certificateMissing
    /// ALPN did not agree on `h2` (RFC 9113 section 3.2).
    case noHTTP2
    /// No version, cipher suite or group in common.
    case nothingInCommon
    /// The peer ended it with an alert (RFC 8446 section 6.2).
    case refusedByPeer
    /// The peer broke the protocol, or somebody in between changed what it sent.
    case protocolViolation
    /// The handshake took too long.
    case timedOut
    /// The peer went away without ending the session or during the handshake.
    case cutOff
    /// OpenSSL could not do it.
    case library
  }

  package let code: Code
  package let message: String

  package init(_ code: Code, _ message: String) {
    self.code = code
    self.message = message
  }

  package var description: String { "TLS: \(message)" }
}

/// The thread's queue of errors, which OpenSSL fills and `SSL_get_error` reads: it has to be empty
/// before each call (SSL_get_error(3)).
enum OpenSSLErrors {
  struct Entry {
    let library: Int32
    let reason: Int32
    let text: String
  }

  static func clear() { ERR_clear_error() }

  /// Takes all, oldest first.
  static func take() -> [Entry] {
    var entries: [Entry] = []
    while true {
      let code = ERR_get_error()
      guard code != 0 else { return entries }
      entries.append(
        Entry(
          library: ERR_GET_LIB(code),
          reason: ERR_GET_REASON(code),
          text: ERR_reason_error_string(code).map { String(cString: $0) } ?? "error \(code)"
        )
      )
    }
  }

  static func text() -> String {
    let entries = take()
    return entries.isEmpty ? "no reason given" : entries.map(\.text).joined(separator: ", ")
  }
}

extension TLSFailure {
  /// From the queue, and from what verification of the peer's certificate ended with (X509_V_…).
  static func taken(isHandshake: Bool, verification: Int) -> TLSFailure {
    let entries = OpenSSLErrors.take()
    guard let first = entries.first(where: { $0.library == ERR_LIB_SSL }) ?? entries.first else {
      return TLSFailure(.library, "OpenSSL failed without a reason")
    }
    // SSL_AD_REASON_OFFSET: reasons from 1000 are alerts that the peer sent.
    if first.library == ERR_LIB_SSL, first.reason >= SSL_AD_REASON_OFFSET {
      return refused(byAlert: first.reason - SSL_AD_REASON_OFFSET, text: first.text)
    }
    switch first.reason {
    case SSL_R_CERTIFICATE_VERIFY_FAILED: return rejected(verification)
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
      return TLSFailure(.certificateMissing, "the peer showed no certificate, and one is required")
    case SSL_R_NO_APPLICATION_PROTOCOL, SSL_R_CALLBACK_FAILED, SSL_R_CLIENTHELLO_TLSEXT:
      return TLSFailure(.noHTTP2, "the peer does not offer HTTP/2 (ALPN h2)")
    case SSL_R_UNSUPPORTED_PROTOCOL, SSL_R_VERSION_TOO_LOW, SSL_R_NO_SHARED_CIPHER,
      SSL_R_NO_PROTOCOLS_AVAILABLE, SSL_R_NO_SUITABLE_KEY_SHARE, SSL_R_NO_SHARED_GROUPS,
      SSL_R_WRONG_SSL_VERSION, SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM, SSL_R_WRONG_CIPHER_RETURNED,
      SSL_R_UNKNOWN_PROTOCOL:
      return TLSFailure(
        .nothingInCommon,
        "the peer supports no TLS 1.2 or 1.3 with modern ciphers (\(first.text))"
      )
    default:
      return TLSFailure(
        .protocolViolation,
        isHandshake ? "the handshake failed: \(first.text)" : "the session failed: \(first.text)"
      )
    }
  }

  private static func refused(byAlert alert: Int32, text: String) -> TLSFailure {
    let advice =
      switch alert {
      case SSL_AD_UNKNOWN_CA, SSL_AD_BAD_CERTIFICATE, SSL_AD_CERTIFICATE_UNKNOWN:
        "the peer does not trust our certificate; check the certificate and the peer's trust roots"
      case SSL_AD_CERTIFICATE_EXPIRED: "our certificate is expired; renew it"
      case SSL_AD_CERTIFICATE_REVOKED: "our certificate is revoked; use another"
      case SSL_AD_CERTIFICATE_REQUIRED, SSL_AD_NO_CERTIFICATE:
        "the peer requires a certificate of ours; give one with its key"
      case SSL_AD_NO_APPLICATION_PROTOCOL: "the peer does not speak HTTP/2 (ALPN h2)"
      case SSL_AD_PROTOCOL_VERSION, SSL_AD_INSUFFICIENT_SECURITY:
        "the peer supports no TLS 1.2 or 1.3 with modern ciphers"
      case SSL_AD_HANDSHAKE_FAILURE:
        "nothing in common with the peer, or it requires a certificate of ours"
      default: "the peer refused"
      }
    return TLSFailure(.refusedByPeer, "\(advice) (\(text))")
  }

  private static func rejected(_ verification: Int) -> TLSFailure {
    let text = X509_verify_cert_error_string(verification).map { String(cString: $0) } ?? "invalid"
    let advice =
      switch Int32(clamping: verification) {
      case X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH:
        "it is for another name; connect by a name in it or set the server name"
      case X509_V_ERR_CERT_HAS_EXPIRED: "it is expired; the peer has to renew it"
      case X509_V_ERR_CERT_NOT_YET_VALID: "it is not valid yet; check both clocks"
      case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN,
        X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT,
        X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        "none of the trust roots issued it; add its issuer to them"
      default: "it is not acceptable"
      }
    return TLSFailure(
      .certificateRejected,
      "the peer's certificate is refused: \(advice) (\(text))"
    )
  }
}
