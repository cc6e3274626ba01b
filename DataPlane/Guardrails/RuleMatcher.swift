internal import Domain
internal import Matching

/// Finds what a rule is about.
enum RuleMatcher: Sendable {
  case detector(any Detector)
  /// More than this many characters.
  case maxLength(Int)
  /// One of the texts is missing.
  case mustInclude([String])
  /// The rule can't be run.
  case broken

  init(_ rule: GuardrailRule) {
    do {
      self = try Self.make(rule)
    } catch {
      self = .broken
    }
  }

  private static func make(_ rule: GuardrailRule) throws(PatternError) -> RuleMatcher {
    switch rule.kind {
    case .regex:
      guard let pattern = rule.params["pattern"]?.stringValue else { return .broken }
      return .detector(try PatternDetector(pattern))
    case .keyword:
      return .detector(try Keywords(strings(rule.params["words"])))
    case .pii:
      let names = strings(rule.params["detect"])
      let kinds = names.compactMap(PersonalData.Kind.init)
      // A kind that this node doesn't know must not be passed over.
      guard kinds.count == names.count else { return .broken }
      return .detector(kinds.isEmpty ? PersonalData() : PersonalData(Set(kinds)))
    case .urlAllowlist:
      return .detector(try ForeignLinks(allowing: strings(rule.params["hosts"])))
    case .maxLength:
      guard let most = rule.params["max"]?.intValue, most > 0 else { return .broken }
      return .maxLength(Int(clamping: most))
    case .mustInclude:
      let texts = strings(rule.params["text"]).filter { !$0.isEmpty }
      return texts.isEmpty ? .broken : .mustInclude(texts)
    case .language, .topic, .classifier, .toolArgs, .rate:
      return .broken
    }
  }

  private static func strings(_ value: JSONValue?) -> [String] {
    value?.stringValue.map { [$0] } ?? value?.arrayValue?.compactMap(\.stringValue) ?? []
  }

  /// UTF-8 ranges in a complete text; nil: no hit. An empty list: the text as a whole is the hit.
  func hits(in text: String) -> [Range<Int>]? {
    switch self {
    case .detector(let detector):
      let hits = detector.hits(in: Array(text.utf8))
      return hits.isEmpty ? nil : hits
    case .maxLength(let most): return text.count > most ? [] : nil
    case .mustInclude(let texts): return texts.allSatisfy(text.contains) ? nil : []
    case .broken: return []
    }
  }

  /// The required texts that a text lacks.
  func missing(in text: String) -> [String] {
    guard case .mustInclude(let texts) = self else { return [] }
    return texts.filter { !text.contains($0) }
  }
}
