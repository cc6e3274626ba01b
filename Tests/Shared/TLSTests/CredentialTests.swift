import Foundation
import Logging
import Synchronization
import TLS
import TLSSupport
import Testing

@Suite struct `Credentials` {
  let authority: TestAuthority
  let good: TestAuthority.Files

  init() throws {
    authority = try TestAuthority()
    good = try authority.issue("good")
  }

  private func failure(
    certificate: String? = nil,
    key: String? = nil,
    roots: String? = nil,
    role: TLSRole = .server(.none)
  ) -> CredentialFailure? {
    do throws(CredentialFailure) {
      _ = try TLSContext(
        role: role,
        credentials: TLSCredentials(certificate: certificate, key: key, trustRoots: roots)
      )
      return nil
    } catch {
      return error
    }
  }

  @Test func `each fault is one line that names the file and says what to do`() throws {
    let other = try authority.issue("other")
    let expired = try authority.issue("expired", seconds: (-7200, -60))
    let secret = try authority.issue("secret", passphrase: "hush")
    let text = try authority.write("no PEM here\n", to: "text.pem")
    let broken = try authority.write(
      "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
      to: "broken.pem"
    )
    let nowhere = authority.folder + "/nowhere.pem"
    let cases: [(CredentialFailure?, CredentialFailure.Code, String, String)] = [
      (failure(certificate: nowhere, key: good.key), .missing, nowhere, "does not exist"),
      (failure(certificate: good.certificate, key: nowhere), .missing, nowhere, "private key"),
      (
        failure(certificate: authority.folder, key: good.key), .unreadable, authority.folder,
        "is a folder"
      ),
      (failure(certificate: text, key: good.key), .notPEM, text, "no certificate"),
      (failure(certificate: broken, key: good.key), .notPEM, broken, "broken"),
      (failure(certificate: good.certificate, key: text), .notPEM, text, "no private key"),
      (
        failure(certificate: good.certificate, key: good.certificate), .notPEM, good.certificate,
        "no private key"
      ),
      (
        failure(certificate: expired.certificate, key: expired.key), .expired, expired.certificate,
        "renew"
      ),
      (
        failure(certificate: good.certificate, key: other.key), .keyMismatch, other.key,
        good.certificate
      ),
      (
        failure(certificate: secret.certificate, key: secret.key), .encryptedKey, secret.key,
        "decrypt it"
      ),
      (failure(certificate: good.certificate), .incomplete, good.certificate, "private key"),
      (failure(key: good.key), .incomplete, good.key, "certificate"),
      (failure(), .incomplete, "", "a server needs"),
      (
        failure(certificate: good.certificate, key: good.key, role: .server(.required)),
        .incomplete, "", "who may issue them"
      ),
      (
        failure(
          certificate: good.certificate,
          key: good.key,
          roots: nowhere,
          role: .server(.required)
        ),
        .missing, nowhere, "trust roots"
      ),
    ]
    for (failure, code, file, advice) in cases {
      let failure = try #require(failure, "\(code) \(file)")
      #expect(failure.code == code)
      #expect(failure.file == file)
      #expect(failure.description.contains(advice), "\(failure)")
      #expect(!failure.description.contains("\n"))
      #expect(!failure.description.contains("hush"))
    }
    #expect(failure(certificate: good.certificate, key: good.key) == nil)
  }

  @Test func `a client may run with an expired certificate, and is warned`() throws {
    let expired = try authority.issue("expired", seconds: (-7200, -60))
    let context = try authority.client(expired)
    #expect(context.warnings.count == 1)
    #expect(context.warnings.first?.contains("expired") == true)
    let soon = try authority.server(authority.issue("soon", seconds: (-60, 86_400)))
    #expect(soon.warnings.first?.contains("renew") == true)
    #expect(try authority.server(good).warnings == [])
  }

  // MARK: - Reload

  private func replace(_ target: TestAuthority.Files, by source: TestAuthority.Files) throws {
    for (from, to) in [(source.certificate, target.certificate), (source.key, target.key)] {
      try Data(contentsOf: URL(filePath: from)).write(to: URL(filePath: to), options: .atomic)
    }
  }

  @Test func `new files are used by new sessions, open ones go on`() throws {
    let logs = LogLines()
    let reloading = try ReloadingTLSContext(
      role: .server(.none),
      credentials: TLSCredentials(certificate: good.certificate, key: good.key),
      logger: logs.logger
    )
    let client = try authority.client()
    var open = try Pair(client, reloading.current)
    open.pump()
    let former = try #require(open.client.session.peerIdentity)
    #expect(!reloading.reloadIfChanged())
    try replace(good, by: authority.issue("next"))
    #expect(reloading.reloadIfChanged())
    #expect(!reloading.reloadIfChanged())
    var new = try Pair(client, reloading.current)
    new.pump()
    let identity = try #require(new.client.session.peerIdentity)
    #expect(identity.fingerprint != former.fingerprint)
    try open.client.send([1])
    open.pump()
    #expect(open.server.takePlaintext() == [1])
  }

  @Test func `broken files are said once, and the old certificate stays`() throws {
    let logs = LogLines()
    let reloading = try ReloadingTLSContext(
      role: .server(.none),
      credentials: TLSCredentials(certificate: good.certificate, key: good.key),
      logger: logs.logger
    )
    let former = reloading.current.certificate
    let next = try authority.issue("next")
    // The certificate comes first, its key a moment later.
    try Data(contentsOf: URL(filePath: next.certificate))
      .write(to: URL(filePath: good.certificate), options: .atomic)
    for _ in 0 ..< 3 { #expect(!reloading.reloadIfChanged()) }
    #expect(reloading.current.certificate == former)
    #expect(logs.lines.count { $0.contains("is not the key of the certificate") } == 1)
    try Data(contentsOf: URL(filePath: next.key))
      .write(to: URL(filePath: good.key), options: .atomic)
    #expect(reloading.reloadIfChanged())
    #expect(reloading.current.certificate != former)
    #expect(reloading.generation == 2)
    try FileManager.default.removeItem(atPath: good.key)
    #expect(!reloading.reloadIfChanged())
    #expect(logs.lines.count { $0.contains("does not exist") } == 1)
  }

  @Test func `the files are looked at in the background`() async throws {
    let reloading = try ReloadingTLSContext(
      role: .server(.none),
      credentials: TLSCredentials(certificate: good.certificate, key: good.key),
      logger: LogLines().logger
    )
    try replace(good, by: authority.issue("next"))
    await withTaskGroup(of: Void.self) { group in
      group.addTask { await reloading.watch(every: .milliseconds(5)) }
      while reloading.generation == 1 { await Task.yield() }
      group.cancelAll()
    }
    #expect(reloading.generation == 2)
  }
}

/// Keeps what is logged.
final class LogLines: Sendable {
  private let kept = Mutex<[String]>([])

  var lines: [String] { kept.withLock { $0 } }

  var logger: Logger {
    Logger(label: "test") { _ in Handler(lines: self) }
  }

  private struct Handler: LogHandler {
    let lines: LogLines
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.trace

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
      get { metadata[key] }
      set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
      lines.kept.withLock { $0.append("\(event.message)") }
    }
  }
}
