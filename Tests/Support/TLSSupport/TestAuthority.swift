internal import COpenSSL
internal import Foundation

/// A certificate authority for one test: issues what the test asks for and writes it as PEM files.
package final class TestAuthority {
  package struct Problem: Error, CustomStringConvertible {
    package let description: String
  }

  /// Paths of PEM files.
  package struct Files: Sendable {
    package let certificate: String
    package let key: String
  }

  package let folder: String
  /// The authority's own certificate.
  package var rootFile: String { folder + "/root.pem" }

  private let key: OpaquePointer
  private let root: OpaquePointer
  private var lastSerial = 1
  private let isOwner: Bool
  private var keyFile: String { folder + "/root.key" }

  /// - Parameter folder: Made if it does not exist; removed with the authority if it was made.
  package init(name: String = "Test Root") throws {
    isOwner = true
    folder = NSTemporaryDirectory() + "bindery-tls-\(UInt64.random(in: 0 ... .max))"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    key = try Self.makeKey()
    root = try Self.makeCertificate(
      subject: name,
      key: key,
      serial: 1,
      seconds: (-3600, 86_400 * 30),
      extensions: [
        (NID_basic_constraints, "critical,CA:TRUE"),
        (NID_key_usage, "critical,keyCertSign,cRLSign"),
        (NID_subject_key_identifier, "hash"),
      ],
      issuer: nil
    )
    try write(rootFile) { PEM_write_bio_X509($0, root) }
    try write(keyFile) { PEM_write_bio_PrivateKey($0, key, nil, nil, 0, nil, nil) }
  }

  /// An authority again, from a copy of its folder, which stays.
  package init(of folder: String) throws {
    isOwner = false
    self.folder = folder
    guard let certificate = BIO_new_file(folder + "/root.pem", "r"),
      let secret = BIO_new_file(folder + "/root.key", "r")
    else { throw Problem(description: "there is no authority in \(folder)") }
    defer {
      BIO_free(certificate)
      BIO_free(secret)
    }
    guard let root = PEM_read_bio_X509(certificate, nil, nil, nil),
      let key = PEM_read_bio_PrivateKey(secret, nil, nil, nil)
    else { throw Problem(description: "the authority in \(folder) can't be read") }
    (self.root, self.key) = (root, key)
    lastSerial = .random(in: 1_000 ..< 1_000_000)
  }

  deinit {
    X509_free(root)
    EVP_PKEY_free(key)
    guard isOwner else { return }
    do { try FileManager.default.removeItem(atPath: folder) } catch { print("left: \(folder)") }
  }

  /// Issues a certificate with its key.
  ///
  /// - Parameters:
  ///   - names: Subject alternative names as OpenSSL writes them, e.g. "DNS:localhost".
  ///   - seconds: Start and end of its validity, from now.
  ///   - passphrase: Encrypts the key.
  package func issue(
    _ file: String,
    commonName: String = "test",
    names: [String] = ["DNS:localhost", "IP:127.0.0.1"],
    seconds: (Int, Int) = (-3600, 86_400 * 20),
    passphrase: String? = nil
  ) throws -> Files {
    let key = try Self.makeKey()
    defer { EVP_PKEY_free(key) }
    lastSerial += 1
    var extensions = [
      (NID_basic_constraints, "critical,CA:FALSE"),
      (NID_ext_key_usage, "serverAuth,clientAuth"),
    ]
    if !names.isEmpty { extensions.append((NID_subject_alt_name, names.joined(separator: ","))) }
    let certificate = try Self.makeCertificate(
      subject: commonName,
      key: key,
      serial: lastSerial,
      seconds: seconds,
      extensions: extensions,
      issuer: (root, self.key)
    )
    defer { X509_free(certificate) }
    let files = Files(certificate: "\(folder)/\(file).pem", key: "\(folder)/\(file).key")
    try write(files.certificate) { PEM_write_bio_X509($0, certificate) }
    try write(files.key) { bio in
      guard let passphrase else {
        return PEM_write_bio_PrivateKey(bio, key, nil, nil, 0, nil, nil)
      }
      var bytes = Array(passphrase.utf8)
      return PEM_write_bio_PrivateKey(
        bio,
        key,
        EVP_aes_256_cbc(),
        &bytes,
        Int32(bytes.count),
        nil,
        nil
      )
    }
    return files
  }

  /// Writes a file of the test's folder and returns its path.
  package func write(_ text: String, to file: String) throws -> String {
    let path = folder + "/" + file
    try text.write(toFile: path, atomically: true, encoding: .utf8)
    return path
  }

  // MARK: - Making

  private static func makeKey() throws -> OpaquePointer {
    guard let context = EVP_PKEY_CTX_new_id(EVP_PKEY_EC, nil) else {
      throw Problem(description: "no key context")
    }
    defer { EVP_PKEY_CTX_free(context) }
    var key: OpaquePointer?
    guard EVP_PKEY_keygen_init(context) == 1,
      EVP_PKEY_CTX_set_ec_paramgen_curve_nid(context, NID_X9_62_prime256v1) == 1,
      EVP_PKEY_keygen(context, &key) == 1, let key
    else { throw Problem(description: "no key") }
    return key
  }

  private static func makeCertificate(
    subject: String,
    key: OpaquePointer,
    serial: Int,
    seconds: (Int, Int),
    extensions: [(Int32, String)],
    issuer: (certificate: OpaquePointer, key: OpaquePointer)?
  ) throws -> OpaquePointer {
    guard let certificate = X509_new() else { throw Problem(description: "no certificate") }
    X509_set_version(certificate, 2)
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial)
    X509_gmtime_adj(X509_getm_notBefore(certificate), seconds.0)
    X509_gmtime_adj(X509_getm_notAfter(certificate), seconds.1)
    X509_set_pubkey(certificate, key)
    let name = X509_get_subject_name(certificate)
    let text = Array(subject.utf8)
    X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8, text, Int32(text.count), -1, 0)
    X509_set_issuer_name(certificate, issuer.map { X509_get_subject_name($0.certificate) } ?? name)
    var context = X509V3_CTX()
    X509V3_set_ctx(&context, issuer?.certificate ?? certificate, certificate, nil, nil, 0)
    for (kind, value) in extensions {
      guard let made = X509V3_EXT_nconf_nid(nil, &context, kind, value) else {
        X509_free(certificate)
        throw Problem(description: "no extension '\(value)'")
      }
      X509_add_ext(certificate, made, -1)
      X509_EXTENSION_free(made)
    }
    guard X509_sign(certificate, issuer?.key ?? key, EVP_sha256()) > 0 else {
      X509_free(certificate)
      throw Problem(description: "not signed")
    }
    return certificate
  }

  private func write(_ path: String, _ body: (OpaquePointer) -> Int32) throws {
    guard let bio = BIO_new(BIO_s_mem()) else { throw Problem(description: "no memory BIO") }
    defer { BIO_free(bio) }
    guard body(bio) == 1 else { throw Problem(description: "\(path) could not be encoded") }
    var bytes: UnsafeMutablePointer<CChar>?
    let count = copenssl_memory(bio, &bytes)
    guard let bytes else { throw Problem(description: "\(path) is empty") }
    try Data(bytes: bytes, count: count).write(to: URL(filePath: path), options: .atomic)
  }
}
