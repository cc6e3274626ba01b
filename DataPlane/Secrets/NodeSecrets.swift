internal import Foundation
internal import Glibc

/// Secrets of one machine: `<directory>/<tenant>/<name>`, then the environment.
///
/// The environment's key is `BINDERY_SECRET_<TENANT>__<NAME>`, upper-case, with `_` for all that is
/// neither a letter nor a digit. A file's trailing line breaks are dropped. A file that every user of
/// the machine may read or write is refused.
package struct NodeSecrets: SecretResolver {
  private let directory: String?
  private let environment: [String: String]

  /// - Parameter directory: nil: only the environment is asked.
  package init(directory: String?, environment: [String: String]) {
    self.directory = directory
    self.environment = environment
  }

  package func secret(_ reference: SecretReference) async throws(SecretError) -> Secret {
    let key = Self.environmentKey(reference)
    guard let value = try fromFile(reference) ?? key.flatMap({ environment[$0] }) else {
      throw SecretError(code: .notFound, reference: Self.text(reference))
    }
    // An empty key would make every signature right.
    guard !value.isEmpty else { throw SecretError(code: .empty, reference: Self.text(reference)) }
    return Secret(value)
  }

  /// nil for a tenant whose part would not end at the first `__`: its key could be another tenant's.
  package static func environmentKey(_ reference: SecretReference) -> String? {
    func upper(_ text: String) -> String {
      String(text.uppercased().map { $0.isASCII && ($0.isLetter || $0.isNumber) ? $0 : "_" })
    }
    let tenant = upper(reference.tenantSlug)
    // Slugs are lower-case letters, digits and hyphens; any other text could fold into another's.
    let isPlain = reference.tenantSlug.allSatisfy {
      $0.isLowercase || $0.isNumber || $0 == "-"
    }
    guard isPlain, !tenant.contains("__"), !tenant.hasSuffix("_") else { return nil }
    return "BINDERY_SECRET_\(tenant)__\(upper(reference.name))"
  }

  private func fromFile(_ reference: SecretReference) throws(SecretError) -> String? {
    guard let directory else { return nil }
    let path = "\(directory)/\(reference.tenantSlug)/\(reference.name)"
    var status = stat()
    guard stat(path, &status) == 0 else {
      if errno == ENOENT || errno == ENOTDIR { return nil }
      throw SecretError(code: .unreadable, reference: Self.text(reference))
    }
    guard status.st_mode & (S_IROTH | S_IWOTH) == 0 else {
      throw SecretError(code: .exposed, reference: Self.text(reference))
    }
    guard let data = FileManager.default.contents(atPath: path),
      var text = String(data: data, encoding: .utf8)
    else { throw SecretError(code: .unreadable, reference: Self.text(reference)) }
    while text.hasSuffix("\n") || text.hasSuffix("\r") || text.hasSuffix("\r\n") {
      text.removeLast()
    }
    return text
  }

  private static func text(_ reference: SecretReference) -> String {
    "\(reference.tenantSlug)/\(reference.name)"
  }
}
