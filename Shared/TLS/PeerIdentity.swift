package import Foundation

/// Who the other side is, from a certificate that was verified against the trust roots.
package struct PeerIdentity: Hashable, Sendable {
  /// The subject's common name; names for authorisation are better taken from the SANs.
  package let commonName: String?
  package let dnsNames: [String]
  package let uris: [String]
  /// SHA-256 of the certificate, hexadecimal in lower case.
  package let fingerprint: String
  /// Hexadecimal in lower case.
  package let serial: String
  package let notAfter: Date

  package init(_ certificate: Certificate) {
    commonName = certificate.commonName
    dnsNames = certificate.dnsNames
    uris = certificate.uris
    fingerprint = certificate.fingerprint
    serial = certificate.serial
    notAfter = certificate.notAfter
  }
}
