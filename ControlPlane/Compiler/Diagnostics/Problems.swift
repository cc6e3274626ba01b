internal import Codecs
internal import Domain

/// The problems of one document, written down by everything that reads a part of it.
final class Problems {
  let tier: Diagnostic.Tier
  let slug: String
  let source: String
  private let spec: JSONValue
  private(set) var list: [Diagnostic] = []

  init(of document: AuthoredDocument) {
    tier = Diagnostic.Tier(document.key.kind)
    slug = "\(document.key.tenant)/\(document.key.slug)"
    source = document.source
    spec = document.spec
  }

  /// For what is no tenant's object.
  init(ofPlatform spec: JSONValue, source: String) {
    tier = .platform
    slug = ""
    self.source = source
    self.spec = spec
  }

  /// - Parameter got: What stands there; by default what the pointer names, if that is no secret.
  func add(
    _ code: String,
    at path: String,
    got: JSONValue? = nil,
    level: Diagnostic.Level = .error,
    _ message: String,
    hint: String
  ) {
    let got = got ?? (Self.mayBeSecret(code) ? nil : scalar(at: path))
    list.append(
      Diagnostic(
        code: code,
        level: level,
        tier: tier,
        slug: slug,
        path: path,
        got: got.map { String($0.canonicalText.prefix(60)) } ?? "",
        message: message,
        hint: hint,
        source: source
      )
    )
  }

  /// Where passwords and tokens are pasted by mistake.
  private static func mayBeSecret(_ code: String) -> Bool {
    code.hasPrefix("TOOL_") || code == "CFG_UNKNOWN_KEY" || code == "VOICE_UNKNOWN_KEY"
  }

  private func scalar(at path: String) -> JSONValue? {
    var value = spec
    for part in path.split(separator: "/", omittingEmptySubsequences: false).dropFirst() {
      let key = part.replacing("~1", with: "/").replacing("~0", with: "~")
      switch value {
      case .object(let members):
        guard let member = members[String(key)] else { return nil }
        value = member
      case .array(let elements):
        guard let index = Int(key), elements.indices.contains(index) else { return nil }
        value = elements[index]
      default: return nil
      }
    }
    switch value {
    case .null, .array, .object: return nil
    case .bool, .int, .double, .string: return value
    }
  }

  static func isAbout(_ document: AuthoredDocument, _ diagnostic: Diagnostic) -> Bool {
    diagnostic.tier == Diagnostic.Tier(document.key.kind)
      && diagnostic.slug == "\(document.key.tenant)/\(document.key.slug)"
  }

  var hasErrors: Bool { list.contains { $0.level == .error } }

  /// Whether something is wrong at a pointer or below it.
  func hasErrors(at path: String) -> Bool {
    list.contains {
      $0.level == .error && ($0.path == path || $0.path.hasPrefix("\(path)/"))
    }
  }
}

extension Diagnostic.Tier {
  init(_ kind: ObjectKind) {
    self =
      switch kind {
      case .tenant: .tenant
      case .human: .human
      case .team: .team
      case .agent: .agent
      case .binding: .binding
      }
  }
}
