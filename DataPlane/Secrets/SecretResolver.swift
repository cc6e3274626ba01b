/// A secret's value. Its descriptions hide it on purpose.
package struct Secret: Sendable, CustomStringConvertible, CustomDebugStringConvertible,
  CustomReflectable
{
  package let value: String

  package init(_ value: String) { self.value = value }

  package var description: String { "<secret>" }
  package var debugDescription: String { "<secret>" }
  package var customMirror: Mirror { Mirror(self, children: [:]) }
}

/// Turns a reference into a secret's value at call time.
package protocol SecretResolver: Sendable {
  /// Throws `notFound`, `unreadable`, `exposed` or `empty`. Nothing is cached: a changed secret counts at once.
  func secret(_ reference: SecretReference) async throws(SecretError) -> Secret
}

/// A name inside one tenant. Made only from texts that stay inside of that tenant.
package struct SecretReference: Hashable, Sendable {
  package let tenantSlug: String
  package let name: String

  /// Reads "name" or "tenant/name".
  ///
  /// Throws `foreignTenant` when another tenant is named, `badReference` when a part is not of
  /// `[A-Za-z0-9._-]{1,128}` or begins with a dot.
  package init(_ text: String, tenantSlug: String) throws(SecretError) {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
    let name: String
    switch parts.count {
    case 1:
      name = parts[0]
    case 2:
      guard parts[0] == tenantSlug else {
        throw SecretError(code: .foreignTenant, reference: text)
      }
      name = parts[1]
    default:
      throw SecretError(code: .badReference, reference: text)
    }
    guard Self.isPart(name), Self.isPart(tenantSlug) else {
      throw SecretError(code: .badReference, reference: text)
    }
    self.tenantSlug = tenantSlug
    self.name = name
  }

  /// Keeps a reference from naming a path outside of the secrets directory.
  private static func isPart(_ text: String) -> Bool {
    guard (1 ... 128).contains(text.utf8.count), !text.hasPrefix(".") else { return false }
    return text.utf8.allSatisfy { byte in
      switch byte {
      case UInt8(ascii: "a") ... UInt8(ascii: "z"), UInt8(ascii: "A") ... UInt8(ascii: "Z"),
        UInt8(ascii: "0") ... UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"),
        UInt8(ascii: "-"):
        true
      default: false
      }
    }
  }
}

package struct SecretError: Error, Hashable, Sendable, CustomStringConvertible {
  package enum Code: String, Hashable, Sendable {
    case badReference = "bad_reference"
    case foreignTenant = "foreign_tenant"
    case notFound = "not_found"
    case unreadable
    case exposed
    case empty
  }

  package var code: Code
  /// The reference as written: names are no secrets.
  package var reference: String

  package init(code: Code, reference: String) {
    self.code = code
    self.reference = reference
  }

  package static func == (a: Self, b: Self) -> Bool { a.code == b.code }
  package func hash(into hasher: inout Hasher) { hasher.combine(code) }

  package var description: String {
    switch code {
    case .badReference:
      "\"\(reference)\" is no secret reference: write \"name\" or \"tenant/name\""
    case .foreignTenant:
      "\"\(reference)\" names another tenant's secret: move the secret under this tenant"
    case .notFound:
      "no secret \"\(reference)\": put it in <secrets-dir>/<tenant>/<name> or in the environment"
    case .unreadable:
      "the file of the secret \"\(reference)\" can't be read: check its owner and mode"
    case .exposed:
      "the file of the secret \"\(reference)\" is open to every user of the machine: chmod 600 it"
    case .empty:
      "the secret \"\(reference)\" is empty: write its value"
    }
  }
}
