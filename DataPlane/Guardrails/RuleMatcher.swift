internal import Domain
internal import Matching

/// Finds what a rule is about. UTF-8 ranges; an empty list is no hit.
enum RuleMatcher: Sendable {
  case regex(Pattern)
  case keywords(Keywords)
  case pii(PIIDetectors)
  /// Characters.
  case maxLength(Int)
  case mustInclude(String)
  case urlAllowlist(Pattern, hosts: Set<String>)
  /// The rule can't be run: a hit when it fails closed.
  case broken(isHit: Bool)

  init(_ rule: GuardrailRule) {
    do {
      switch rule.kind {
      case .regex: self = .regex(try Pattern(rule.params["pattern"]?.stringValue ?? "("))
      case .keyword:
        let words = rule.params["words"]?.arrayValue?.compactMap(\.stringValue) ?? []
        self = .keywords(try Keywords(words))
      case .pii:
        let names = rule.params["detect"]?.arrayValue?.compactMap(\.stringValue) ?? []
        self = .pii(try PIIDetectors(names))
      case .maxLength: self = .maxLength(Int(rule.params["max"]?.intValue ?? 0))
      case .mustInclude: self = .mustInclude(rule.params["text"]?.stringValue ?? "")
      case .urlAllowlist:
        let hosts = rule.params["hosts"]?.arrayValue?.compactMap(\.stringValue) ?? []
        self = .urlAllowlist(
          try Pattern(#"(?:https?://|www\.)[^\s<>"]{1,500}"#, ignoringCase: true),
          hosts: Set(hosts.map { $0.lowercased() })
        )
      case .language, .topic, .classifier, .toolArgs, .rate:
        self = .broken(isHit: rule.failsClosed)
      }
    } catch {
      self = .broken(isHit: rule.failsClosed)
    }
  }

  func hits(in text: String) -> [Range<Int>] {
    let whole = 0 ..< text.utf8.count
    switch self {
    case .regex(let pattern): return pattern.matches(in: text)
    case .keywords(let keywords): return keywords.matches(in: text)
    case .pii(let detectors): return detectors.hits(in: text)
    case .maxLength(let limit):
      guard text.count > limit else { return [] }
      return [text.prefix(limit).utf8.count ..< whole.upperBound]
    case .mustInclude(let wanted): return text.contains(wanted) ? [] : [whole]
    case .urlAllowlist(let pattern, let hosts):
      let utf8 = Array(text.utf8)
      return pattern.matches(in: text).filter { range in
        let url = String(decoding: utf8[range], as: UTF8.self).lowercased()
        let rest = url.split(separator: "://", maxSplits: 1).last ?? Substring(url)
        let host = String(rest.prefix { !"/?#:".contains($0) }.split(separator: "@").last ?? "")
        return !hosts.contains { host == $0 || host.hasSuffix(".\($0)") }
      }
    case .broken(let isHit): return isHit ? [whole] : []
    }
  }
}
