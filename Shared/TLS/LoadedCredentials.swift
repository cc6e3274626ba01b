internal import COpenSSL
internal import Foundation

extension TLSContext {
  /// Credentials read from their files and checked as far as that goes without an `SSL_CTX`.
  struct Loaded: ~Copyable {
    let role: TLSRole
    let certificatePath: String
    let keyPath: String
    let rootsPath: String
    /// Our certificate first.
    let chain: [Certificate]
    let key: [UInt8]
    let roots: [Certificate]
    let warnings: [String]

    init(role: TLSRole, credentials: TLSCredentials, now: Date) throws(CredentialFailure) {
      let own = try Self.own(role, credentials)
      var chain: [Certificate] = []
      var warnings: [String] = []
      var keyFile: CredentialFile?
      if let own {
        chain = try CredentialFile(own.certificate, purpose: "the certificate chain").certificates()
        let file = try CredentialFile(own.key, purpose: "the private key")
        guard !file.isEncrypted else {
          throw CredentialFailure(
            .encryptedKey,
            own.key,
            "is encrypted; decrypt it (openssl pkey -in … -out …) and keep it readable by this user only"
          )
        }
        keyFile = file
        warnings += try Self.check(chain, own.certificate, role, now)
      }
      var roots: [Certificate] = []
      if let path = credentials.trustRoots {
        roots = try CredentialFile(path, purpose: "the trust roots").certificates()
        if roots.allSatisfy({ $0.notAfter < now }) {
          warnings.append("\(path) holds only expired trust roots; no peer will be accepted")
        }
      } else if case .server(let clients) = role, clients != .none {
        throw CredentialFailure(
          .incomplete,
          "",
          "client certificates are \(clients.rawValue) but no file says who may issue them; give one"
        )
      }
      self.role = role
      certificatePath = own?.certificate ?? ""
      keyPath = own?.key ?? ""
      rootsPath = credentials.trustRoots ?? ""
      self.chain = chain
      key = keyFile?.bytes ?? []
      self.roots = roots
      self.warnings = warnings
    }

    deinit {
      // Nobody else holds the array any more.
      key.withUnsafeBytes { wipe(UnsafeMutableRawBufferPointer(mutating: $0)) }
    }

    private static func own(
      _ role: TLSRole,
      _ credentials: TLSCredentials
    ) throws(CredentialFailure) -> (certificate: String, key: String)? {
      switch (credentials.certificate, credentials.key) {
      case (let certificate?, let key?):
        return (certificate, key)
      case (let certificate?, nil):
        throw CredentialFailure(.incomplete, certificate, "is given without its private key")
      case (nil, let key?):
        throw CredentialFailure(.incomplete, key, "is given without its certificate")
      case (nil, nil):
        guard case .client = role else {
          throw CredentialFailure(
            .incomplete,
            "",
            "a server needs a certificate and its private key"
          )
        }
        return nil
      }
    }

    /// An expired certificate is an error for a server, whose clients would all fail; a client's may
    /// be renewed while it runs, and until then its server says no.
    private static func check(
      _ chain: [Certificate],
      _ path: String,
      _ role: TLSRole,
      _ now: Date
    ) throws(CredentialFailure) -> [String] {
      guard let leaf = chain.first else { return [] }
      let end = leaf.notAfter.formatted(.iso8601)
      if leaf.notAfter < now {
        if case .server = role {
          throw CredentialFailure(.expired, path, "expired at \(end); renew the certificate")
        }
        return ["\(path) expired at \(end); servers will refuse it until it is renewed"]
      }
      if leaf.notBefore > now {
        let start = leaf.notBefore.formatted(.iso8601)
        return ["\(path) is not valid before \(start); check this machine's clock"]
      }
      // Two weeks: automatic renewal has failed more than once by then.
      if leaf.notAfter < now.addingTimeInterval(14 * 86_400) {
        return ["\(path) expires at \(end); renew the certificate"]
      }
      return []
    }
  }
}

/// Overwrites secrets in a way that the compiler may not drop.
func wipe(_ bytes: UnsafeMutableRawBufferPointer) {
  OPENSSL_cleanse(bytes.baseAddress, bytes.count)
}
