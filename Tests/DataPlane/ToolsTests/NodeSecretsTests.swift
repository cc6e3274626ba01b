import Foundation
import Secrets
import Testing

@Suite struct NodeSecretsTests {
  @Test func `a file comes before the environment, and its line end is no part of it`() async throws
  {
    let folder = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
    let tenant = folder.appending(path: "shop")
    try FileManager.default.createDirectory(at: tenant, withIntermediateDirectories: true)
    defer {
      do { try FileManager.default.removeItem(at: folder) } catch { Issue.record("\(error)") }
    }
    try Data("from file\r\n".utf8).write(to: tenant.appending(path: "crm"))
    try Data("\n".utf8).write(to: tenant.appending(path: "empty"))
    try Data([0xFF, 0xFE]).write(to: tenant.appending(path: "binary"))
    for name in ["crm", "empty", "binary"] { try setMode(0o640, of: tenant.appending(path: name)) }
    try Data("open".utf8).write(to: tenant.appending(path: "exposed"))
    try setMode(0o644, of: tenant.appending(path: "exposed"))
    let secrets = NodeSecrets(
      directory: folder.path,
      environment: ["BINDERY_SECRET_SHOP__CRM": "a", "BINDERY_SECRET_SHOP__MAIL_KEY": "b"]
    )
    func value(_ name: String) async throws -> String {
      try await secrets.secret(SecretReference(name, tenantSlug: "shop")).value
    }
    #expect(try await value("crm") == "from file")
    #expect(try await value("shop/mail-key") == "b")
    await #expect(throws: SecretError(code: .empty, reference: "")) { try await value("empty") }
    await #expect(throws: SecretError(code: .unreadable, reference: "")) {
      try await value("binary")
    }
    await #expect(throws: SecretError(code: .exposed, reference: "")) {
      try await value("exposed")
    }
    await #expect(throws: SecretError(code: .notFound, reference: "")) { try await value("gone") }
  }

  @Test(arguments: [
    ("other/crm", SecretError.Code.foreignTenant), ("../crm", .foreignTenant),
    ("a/b/c", .badReference), ("", .badReference), (".hidden", .badReference),
    ("shop/", .badReference), ("sp ace", .badReference),
  ])
  func `a reference stays inside of its tenant`(text: String, code: SecretError.Code) {
    #expect(throws: SecretError(code: code, reference: "")) {
      try SecretReference(text, tenantSlug: "shop")
    }
  }

  @Test func `tenants never share a key of the environment`() async throws {
    let pairs = [
      ("a", "b__c"), ("a-b", "c"), ("a", "b-c"), ("a", "_b"), ("a-", "b"), ("a--b", "c"),
      ("A", "b"), ("a_b", "c"), ("a.b", "c"),
    ]
    var owners: [String: String] = [:]
    for (tenant, name) in pairs {
      let reference = try SecretReference(name, tenantSlug: tenant)
      guard let key = NodeSecrets.environmentKey(reference) else { continue }
      #expect(owners[key] == nil || owners[key] == tenant)
      owners[key] = tenant
    }
    #expect(owners.count == 4)
  }

  @Test func `a secret does not show in texts`() {
    let secret = Secret("hush")
    #expect(!"\(secret) \(String(reflecting: secret))".contains("hush"))
    var dumped = ""
    dump(secret, to: &dumped)
    #expect(!dumped.contains("hush"))
  }
}

private func setMode(_ mode: Int, of file: URL) throws {
  try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: file.path)
}
