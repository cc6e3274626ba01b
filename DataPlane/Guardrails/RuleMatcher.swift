internal import Domain
internal import Matching

/// Finds what a rule is about.
enum RuleMatcher: Sendable {
  case detector(any Detector)
  /// More than this many characters.
  case maxLength(Int)
  /// One of the texts is missing.
  case mustInclude([String])
  case topic(Topics)
  case language(AllowedLanguages)
  case toolArguments([ArgumentCheck])
  case rate([RateLimit])
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
    case .language:
      let allowed = strings(rule.params["allow"])
      return allowed.isEmpty ? .broken : .language(AllowedLanguages(allowed))
    case .topic: return .topic(try Topics(rule.params))
    case .toolArgs:
      var checks: [ArgumentCheck] = []
      for check in rule.params["checks"]?.arrayValue ?? [] {
        checks.append(try ArgumentCheck(check))
      }
      return checks.isEmpty ? .broken : .toolArguments(checks)
    case .rate:
      let limits = rule.params["limits"]?.arrayValue ?? []
      let read = limits.compactMap { RateLimit($0) }
      // A limit that this node doesn't know must not be passed over.
      return read.isEmpty || read.count < limits.count ? .broken : .rate(read)
    case .classifier: return .broken
    }
  }

  private static func strings(_ value: JSONValue?) -> [String] {
    value?.stringValue.map { [$0] } ?? value?.arrayValue?.compactMap(\.stringValue) ?? []
  }

  /// UTF-8 ranges in a complete text; nil: no hit. An empty list: the text as a whole is the hit.
  func hits(in text: String, about subject: GuardSubject) -> [Range<Int>]? {
    switch self {
    case .detector(let detector):
      let hits = detector.hits(in: Array(text.utf8))
      return hits.isEmpty ? nil : hits
    case .maxLength(let most): return text.count > most ? [] : nil
    case .mustInclude(let texts): return texts.allSatisfy(text.contains) ? nil : []
    case .topic(let topics): return topics.hits(in: Array(text.utf8))
    case .language(let allowed): return allowed.isForeign(text) ? [] : nil
    case .toolArguments(let checks):
      return checks.contains { $0.isBroken(by: text, of: subject.tool) } ? [] : nil
    case .rate(let limits): return limits.contains { $0.isExceeded(by: subject) } ? [] : nil
    case .broken: return []
    }
  }

  /// The required texts that a text lacks.
  func missing(in text: String) -> [String] {
    guard case .mustInclude(let texts) = self else { return [] }
    return texts.filter { !text.contains($0) }
  }
}
