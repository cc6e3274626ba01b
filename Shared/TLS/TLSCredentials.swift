internal import Foundation

/// The PEM files of one side: its certificate chain and key, and whom it trusts.
package struct TLSCredentials: Hashable, Sendable {
  /// Path of our certificate, followed in the same file by its intermediates.
  package var certificate: String?
  /// Path of the certificate's private key, not encrypted.
  package var key: String?
  /// Path of the certificates that a peer's must come from. A client without uses the system's.
  package var trustRoots: String?

  package init(certificate: String? = nil, key: String? = nil, trustRoots: String? = nil) {
    self.certificate = certificate
    self.key = key
    self.trustRoots = trustRoots
  }

  var paths: [String] { [certificate, key, trustRoots].compactMap(\.self) }
}

/// Credentials that can't be used: which file, and what to do.
package struct CredentialFailure: Error, Hashable, Sendable, CustomStringConvertible {
  package enum Code: Hashable, Sendable {
    case missing
    case unreadable
    /// The file holds nothing of what it should hold, or that is broken.
    case notPEM
    case encryptedKey
    case keyMismatch
    case expired
    /// Modern TLS does not allow it, e.g. a short RSA key.
    case unsuitable
    /// A certificate without a key, or the other way round.
    case incomplete
  }

  package let code: Code
  /// Path, or empty when no file is to blame.
  package let file: String
  private let advice: String

  package init(_ code: Code, _ file: String, _ advice: String) {
    self.code = code
    self.file = file
    self.advice = advice
  }

  package var description: String { file.isEmpty ? advice : "\(file) \(advice)" }
}

/// The bytes of a small file of credentials.
struct CredentialFile {
  /// Far more than any bundle of roots has (Debian's is 220 KB).
  private static let maxBytes = 4 * 1024 * 1024

  let path: String
  private(set) var bytes: [UInt8] = []

  /// - Parameter purpose: What it should hold, e.g. "the certificate chain".
  init(_ path: String, purpose: String) throws(CredentialFailure) {
    self.path = path
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw Self.failure(errno, path, purpose) }
    defer { close(descriptor) }
    var chunk = [UInt8](repeating: 0, count: 64 * 1024)
    while true {
      let count = read(descriptor, &chunk, chunk.count)
      if count == 0 { break }
      guard count > 0 else {
        if errno == EINTR { continue }
        throw Self.failure(errno, path, purpose)
      }
      bytes += chunk[..<count]
      guard bytes.count <= Self.maxBytes else {
        throw CredentialFailure(.unreadable, path, "is too long for \(purpose); name a PEM file")
      }
    }
    chunk.withUnsafeMutableBytes { wipe($0) }
  }

  private static func failure(_ code: Int32, _ path: String, _ purpose: String) -> CredentialFailure
  {
    switch code {
    case ENOENT, ENOTDIR:
      CredentialFailure(.missing, path, "does not exist; it should hold \(purpose) in PEM form")
    case EACCES, EPERM:
      CredentialFailure(.unreadable, path, "may not be read by this user; change its permissions")
    case EISDIR:
      CredentialFailure(.unreadable, path, "is a folder; name the PEM file with \(purpose)")
    default:
      CredentialFailure(
        .unreadable,
        path,
        "can't be read: \(String(cString: strerror(code)))"
      )
    }
  }

  /// - Throws: `CredentialFailure` when there is none, or a broken one.
  func certificates() throws(CredentialFailure) -> [Certificate] {
    guard let certificates = Certificate.all(inPEM: bytes) else {
      throw CredentialFailure(.notPEM, path, "holds a broken certificate; write it again")
    }
    guard !certificates.isEmpty else {
      throw CredentialFailure(
        .notPEM,
        path,
        "holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)"
      )
    }
    return certificates
  }

  /// Whether it says of itself that a passphrase is needed (RFC 7468 section 11, RFC 1421).
  var isEncrypted: Bool {
    let text = String(decoding: bytes, as: UTF8.self)
    return text.contains("BEGIN ENCRYPTED PRIVATE KEY") || text.contains("Proc-Type: 4,ENCRYPTED")
  }
}

/// What tells that a file was written or replaced.
struct FileStamp: Hashable, Sendable {
  private var device: UInt64 = 0
  private var inode: UInt64 = 0
  private var size: Int64 = -1
  private var modified: [Int] = []

  /// Of a file that can't be seen: equal to all such.
  init(_ path: String) {
    var status = stat()
    guard stat(path, &status) == 0 else { return }
    device = UInt64(status.st_dev)
    inode = UInt64(status.st_ino)
    size = Int64(status.st_size)
    modified = [
      status.st_mtim.tv_sec, status.st_mtim.tv_nsec, status.st_ctim.tv_sec, status.st_ctim.tv_nsec,
    ]
  }
}
