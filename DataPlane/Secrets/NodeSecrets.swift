internal import Foundation

/// Secrets of one machine: `<directory>/<tenant>/<name>`, then the environment.
///
/// The environment's key is `BINDERY_SECRET_<TENANT>_<NAME>`, upper-case, with `_` for all that is
/// neither a letter nor a digit. A file's trailing line breaks are dropped.
package struct NodeSecrets: SecretResolver {
  private let directory: String?
  private let environment: [String: String]

  /// - Parameter directory: nil: only the environment is asked.
  package init(directory: String?, environment: [String: String]) {
    self.directory = directory
    self.environment = environment
  }

  package func secret(_ reference: SecretReference) async throws(SecretError) -> Secret {
    if let value = try fromFile(reference) { return Secret(value) }
    if let value = environment[Self.environmentKey(reference)] { return Secret(value) }
    throw SecretError(code: .notFound, reference: Self.text(reference))
  }

  package static func environmentKey(_ reference: SecretReference) -> String {
    func upper(_ text: String) -> String {
      String(text.uppercased().map { $0.isASCII && ($0.isLetter || $0.isNumber) ? $0 : "_" })
    }
    return "BINDERY_SECRET_\(upper(reference.tenantSlug))_\(upper(reference.name))"
  }

  private func fromFile(_ reference: SecretReference) throws(SecretError) -> String? {
    guard let directory else { return nil }
    let path = "\(directory)/\(reference.tenantSlug)/\(reference.name)"
    guard FileManager.default.fileExists(atPath: path) else { return nil }
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
