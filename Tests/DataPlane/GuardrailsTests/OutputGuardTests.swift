import Domain
import Guardrails
import Testing

/// A generator with a seed, so that a failing case can be seen again (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}

@Suite struct OutputGuardTests {
  private static let pool: [GuardrailRule] = [
    rule("block-words", .keyword, .block, ["words": ["poison", "ज़हर", "very bad idea"]]),
    rule("block-code", .regex, .block, ["pattern": #"\bX\d{2,4}\b"#]),
    rule("block-made", .keyword, .block, ["words": ["made up"]]),
    rule("hide-words", .keyword, .rewrite, ["words": ["secret", "राज़"]], .replace, with: "[-]"),
    rule("make", .regex, .rewrite, ["pattern": "cooked"], .replace, with: "made"),
    rule("mask-dose", .regex, .rewrite, ["pattern": #"\b\d{1,5}\s?mg\b"#], .mask),
    rule("mask-pii", .pii, .rewrite, [:], .mask),
    rule("short", .maxLength, .rewrite, ["max": 60], .truncate, bound: nil),
    rule("log", .regex, .log, ["pattern": "a.*b"], bound: nil),
    rule("note", .keyword, .rewrite, ["words": ["pill"]], .append, with: "See a doctor."),
    rule("links", .urlAllowlist, .block, ["hosts": ["a.in"]], bound: nil),
  ]
  private static let words = [
    "poison", "ज़हर", "very", "bad", "idea", "X", "12", "345", "cooked", "made", "up", "secret",
    "राज़", "5", "mg", "9876543210", "2341", "2346", "asha", "@", "okaxis", "pill", "http://b.in",
    "hello", "नमस्ते", "é", "😀", "on", "s",
  ]
  private static let spaces = ["", " ", " ", " ", "  ", "\n", ", ", ". ", "-"]

  private static func text(_ generator: inout SeededGenerator) -> String {
    (0 ..< Int.random(in: 1 ... 40, using: &generator)).map { _ in
      (words.randomElement(using: &generator) ?? "")
        + (spaces.randomElement(using: &generator) ?? "")
    }.joined()
  }

  /// Cuts between scalars, as a stream of strings can be cut.
  private static func cut(_ text: String, _ generator: inout SeededGenerator) -> [String] {
    let scalars = Array(text.unicodeScalars)
    let longest = Int.random(in: 1 ... 12, using: &generator)
    var pieces: [String] = []
    var start = 0
    while start < scalars.count {
      let end = min(scalars.count, start + Int.random(in: 1 ... longest, using: &generator))
      var piece = ""
      piece.unicodeScalars.append(contentsOf: scalars[start ..< end])
      pieces.append(piece)
      start = end
    }
    return pieces
  }

  /// The whole words of a text that may go on: what touches its end is none yet.
  private static func closedWords(_ text: String) -> [Substring] {
    let isPlain: (Character) -> Bool = { $0.isLetter || $0.isNumber }
    return text.split(omittingEmptySubsequences: false) { !isPlain($0) }.dropLast()
      .filter { !$0.isEmpty }
  }

  @Test(arguments: 0 ..< 12)
  func `however a text is cut, the outcome is the whole's, and nothing forbidden leaves`(
    seed: Int
  ) {
    var generator = SeededGenerator(state: UInt64(seed))
    var counts = (blocked: 0, rewritten: 0, streamed: 0)
    for _ in 0 ..< 150 {
      let chosen = Self.pool.filter { _ in Int.random(in: 0 ..< 3, using: &generator) == 0 }
      let split = Int.random(in: 0 ... chosen.count, using: &generator)
      let rules = rules(human: Array(chosen[split...]), agent: Array(chosen[..<split]))
      let ids = Set(chosen.map(\.ruleID))
      let text = Self.text(&generator)
      let whole = rules.check(text, stage: .output)
      var guardian = OutputGuard(rules)
      var released = ""
      for piece in Self.cut(text, &generator) {
        released += guardian.push(piece)
        let words = Self.closedWords(released)
        if ids.contains("block-words") { #expect(!words.contains("poison")) }
        if ids.contains("hide-words") { #expect(!words.contains("secret")) }
        if ids.contains("mask-pii") { #expect(!words.contains("9876543210")) }
      }
      let outcome = guardian.finish()
      #expect(outcome == whole, "\(text)")
      if let hit = whole.violations.last?.range, whole.blocked != nil,
        whole.violations.count == 1
      {
        // Blocked on the raw text: nothing of it has left from the hit on.
        let before = String(decoding: Array(text.utf8)[..<hit.lowerBound], as: UTF8.self)
        let upToHit = OutputGuardTests.rewritesOnly(chosen, split).check(before, stage: .output)
        if upToHit.blocked == nil { #expect(upToHit.text.utf8.starts(with: released.utf8)) }
      }
      if whole.blocked != nil {
        counts.blocked += 1
      } else {
        #expect(whole.text.utf8.starts(with: released.utf8), "\(text)")
        if whole.text != text { counts.rewritten += 1 }
        if !released.isEmpty { counts.streamed += 1 }
      }
    }
    // The cases are of every sort.
    #expect(counts.blocked > 10 && counts.rewritten > 10 && counts.streamed > 10, "\(counts)")
  }

  private static func rewritesOnly(_ chosen: [GuardrailRule], _ split: Int) -> GuardrailRules {
    let kept = { (rule: GuardrailRule) in rule.severity != .block }
    return rules(
      human: chosen[split...].filter(kept),
      agent: chosen[..<split].filter(kept)
    )
  }

  private static func stream(_ rules: GuardrailRules, _ pieces: [String]) -> [String] {
    var guardian = OutputGuard(rules)
    return pieces.map { guardian.push($0) }
  }

  @Test func `without rules every piece leaves at once`() {
    #expect(Self.stream(rules(), ["a", "", "नम", "b"]) == ["a", "", "नम", "b"])
  }

  @Test func `a log rule holds nothing back, even one that needs the whole text`() {
    let log = rules(agent: [
      rule("x", .regex, .log, ["pattern": "a+"], bound: nil),
      rule("y", .maxLength, .log, ["max": 2], bound: nil),
    ])
    #expect(Self.stream(log, ["aa", "bb"]) == ["aa", "bb"])
  }

  @Test func `a bounded rule holds back its reach, one without a bound everything`() {
    let pieces = Array(repeating: "word ", count: 40)
    let bounded = rules(agent: [rule("x", .keyword, .block, ["words": ["poison"]])])
    let held = 200 - Self.stream(bounded, pieces).joined().utf8.count
    #expect(held > 0 && held <= 60)
    let unbounded = rules(agent: [
      rule("x", .regex, .block, ["pattern": "poison+"], bound: nil)
    ])
    #expect(Self.stream(unbounded, pieces).joined().isEmpty)
    let lying = rules(agent: [rule("x", .regex, .block, ["pattern": "poison+"], bound: 10)])
    #expect(Self.stream(lying, pieces).joined().isEmpty)
  }

  @Test func `the stream goes on after a rewrite, and ends with a block`() {
    let both = rules(agent: [
      rule("r", .regex, .rewrite, ["pattern": "secret"], .replace, with: "[-]"),
      rule("b", .regex, .block, ["pattern": "poison"]),
    ])
    let pieces = ["a secret thing, ", "said at length, and ", "then poison ", "and so on ", "end"]
    let released = Self.stream(both, pieces)
    #expect(released.joined().hasPrefix("a [-] thing, said"))
    #expect(!released.joined().contains("poi"))
    #expect(released.suffix(2) == ["", ""])
  }

  @Test func `what a rewrite makes does not leave if a rule forbids it`() {
    let both = rules(
      human: [rule("h", .keyword, .block, ["words": ["made up"]])],
      agent: [rule("a", .regex, .rewrite, ["pattern": "cooked"], .replace, with: "made")]
    )
    let pieces = ["this was ", "cook", "ed up "] + Array(repeating: "by someone ", count: 20)
    var guardian = OutputGuard(both)
    let released = pieces.map { guardian.push($0) }.joined()
    #expect("this was ".hasPrefix(released))
    #expect(guardian.finish().blocked?.ruleID == "h")
  }

  @Test func `a text that will be cut streams up to where the cut may be`() {
    let short = rules(agent: [
      rule("x", .maxLength, .rewrite, ["max": 100], .truncate, bound: nil)
    ])
    let pieces = Array(repeating: "word ", count: 40)
    var guardian = OutputGuard(short)
    let released = pieces.map { guardian.push($0) }.joined()
    #expect(released.count == 59)
    let outcome = guardian.finish()
    #expect(outcome.text.hasPrefix(released) && outcome.text.count <= 100)
    #expect(outcome.text.hasSuffix("word…"))
  }

  @Test func `a copy goes on from where it was made`() {
    var guardian = OutputGuard(
      rules(agent: [rule("x", .regex, .rewrite, ["pattern": "ab"], .replace, with: "-")])
    )
    _ = guardian.push("a")
    var copy = guardian
    _ = copy.push("b")
    _ = guardian.push("c")
    #expect(copy.finish().text == "-")
    #expect(guardian.finish().text == "ac")
  }
}
