internal import COpenSSL
package import Foundation

/// What a certificate says, as a plain value.
package struct Certificate: Hashable, Sendable {
  /// The certificate itself, DER-encoded.
  package let der: [UInt8]
  package let commonName: String?
  package let dnsNames: [String]
  package let uris: [String]
  package let notBefore: Date
  package let notAfter: Date
  /// Hexadecimal, without leading zeros' sign byte.
  package let serial: String
  /// SHA-256 of the DER encoding, hexadecimal.
  package let fingerprint: String

  /// Nil when the bytes are no certificate.
  package init?(der: [UInt8]) {
    OpenSSLErrors.clear()
    let parsed = der.withUnsafeBufferPointer { buffer in
      var cursor = buffer.baseAddress
      return d2i_X509(nil, &cursor, buffer.count)
    }
    guard let parsed else { return nil }
    defer { X509_free(parsed) }
    self.init(der: der, parsed)
  }

  /// All certificates of a PEM text, in its order; empty when it has none.
  ///
  /// Nil when one of them is broken.
  package static func all(inPEM pem: [UInt8]) -> [Certificate]? {
    OpenSSLErrors.clear()
    guard let length = Int32(exactly: pem.count) else { return nil }
    return pem.withUnsafeBytes { buffer in
      guard let bio = BIO_new_mem_buf(buffer.baseAddress, length) else { return nil }
      defer { BIO_free(bio) }
      var certificates: [Certificate] = []
      while let parsed = PEM_read_bio_X509(bio, nil, nil, nil) {
        defer { X509_free(parsed) }
        guard let certificate = Certificate(der: encoded(parsed), parsed) else { return nil }
        certificates.append(certificate)
      }
      // The end of the text shows as a missing start line.
      let errors = OpenSSLErrors.take()
      let isEnd = errors.allSatisfy {
        $0.library == ERR_LIB_PEM && $0.reason == PEM_R_NO_START_LINE
      }
      return isEnd ? certificates : nil
    }
  }

  private init?(der: [UInt8], _ parsed: OpaquePointer) {
    guard let notBefore = date(X509_get0_notBefore(parsed)),
      let notAfter = date(X509_get0_notAfter(parsed))
    else { return nil }
    self.der = der
    self.notBefore = notBefore
    self.notAfter = notAfter
    commonName = Self.commonName(of: parsed)
    (dnsNames, uris) = Self.alternativeNames(of: parsed)
    serial = hexadecimal(bytes(of: X509_get0_serialNumber(parsed)))
    var digest = [UInt8](repeating: 0, count: 32)
    var length: UInt32 = 0
    guard X509_digest(parsed, EVP_sha256(), &digest, &length) == 1 else { return nil }
    fingerprint = hexadecimal(digest.prefix(Int(length)))
  }

  private static func commonName(of certificate: OpaquePointer) -> String? {
    guard let subject = X509_get_subject_name(certificate) else { return nil }
    let index = X509_NAME_get_index_by_NID(subject, NID_commonName, -1)
    guard index >= 0, let entry = X509_NAME_get_entry(subject, index),
      let value = X509_NAME_ENTRY_get_data(entry)
    else { return nil }
    var text: UnsafeMutablePointer<UInt8>?
    let length = ASN1_STRING_to_UTF8(&text, value)
    guard length >= 0, let text else { return nil }
    defer { CRYPTO_free(text, #file, #line) }
    return String(decoding: UnsafeBufferPointer(start: text, count: Int(length)), as: UTF8.self)
  }

  private static func alternativeNames(
    of certificate: OpaquePointer
  ) -> (dns: [String], uris: [String]) {
    guard let raw = X509_get_ext_d2i(certificate, NID_subject_alt_name, nil, nil) else {
      return ([], [])
    }
    let names = OpaquePointer(raw)
    defer { GENERAL_NAMES_free(names) }
    var (dns, uris): ([String], [String]) = ([], [])
    for index in 0 ..< OPENSSL_sk_num(names) {
      guard let element = OPENSSL_sk_value(names, index) else { continue }
      var kind: Int32 = -1
      let value = GENERAL_NAME_get0_value(element.assumingMemoryBound(to: GENERAL_NAME.self), &kind)
      guard kind == GEN_DNS || kind == GEN_URI, let value else { continue }
      let text = String(
        decoding: bytes(of: UnsafePointer(value.assumingMemoryBound(to: ASN1_STRING.self))),
        as: UTF8.self
      )
      if kind == GEN_DNS { dns.append(text) } else { uris.append(text) }
    }
    return (dns, uris)
  }
}

private func encoded(_ certificate: OpaquePointer) -> [UInt8] {
  let length = Int(i2d_X509(certificate, nil))
  guard length > 0 else { return [] }
  return [UInt8](unsafeUninitializedCapacity: length) { buffer, count in
    var cursor = buffer.baseAddress
    count = max(0, Int(i2d_X509(certificate, &cursor)))
  }
}

private func bytes(of string: UnsafePointer<ASN1_STRING>?) -> [UInt8] {
  guard let string, let data = ASN1_STRING_get0_data(string) else { return [] }
  return Array(UnsafeBufferPointer(start: data, count: Int(ASN1_STRING_length(string))))
}

private func date(_ time: UnsafePointer<ASN1_TIME>?) -> Date? {
  var fields = tm()
  guard ASN1_TIME_to_tm(time, &fields) == 1 else { return nil }
  return Date(timeIntervalSince1970: TimeInterval(timegm(&fields)))
}

private func hexadecimal(_ bytes: some Sequence<UInt8>) -> String {
  var text = ""
  for byte in bytes {
    text += (byte < 16 ? "0" : "") + String(byte, radix: 16)
  }
  return text
}
