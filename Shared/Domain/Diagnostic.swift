/// One problem found in what an author wrote. All problems are reported at once.
package struct Diagnostic: Hashable, Sendable, Codable {
  package enum Level: String, Hashable, Sendable, Codable {
    case error
    case warning
  }

  package enum Tier: String, Hashable, Sendable, Codable {
    case tenant
    case human
    case team
    case agent
    case binding
    case platform
  }

  /// Stable code, e.g. `GRD_BAD_REGEX`; the README of the compiler lists all.
  package var code: String
  package var level: Level
  package var tier: Tier
  /// "tenant/slug" of the object.
  package var slug: String
  /// JSON Pointer (RFC 6901) into the object's spec; empty for the whole.
  package var path: String
  /// What stands there, shortened; never a secret.
  package var got: String
  /// What is wrong.
  package var message: String
  /// What to do.
  package var hint: String
  /// "file:line" when known.
  package var source: String

  package init(
    code: String,
    level: Level = .error,
    tier: Tier,
    slug: String,
    path: String,
    got: String = "",
    message: String,
    hint: String,
    source: String = ""
  ) {
    self.code = code
    self.level = level
    self.tier = tier
    self.slug = slug
    self.path = path
    self.got = got
    self.message = message
    self.hint = hint
    self.source = source
  }
}
