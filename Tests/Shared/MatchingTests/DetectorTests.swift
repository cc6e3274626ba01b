import Matching
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

@Suite struct DetectorTests {
  static let pieces = [
    "refund", "paisa", "wapas", "paisa wapas", " ", "  ", "\n", "-", ".", "@", "+", "9198765",
    "43210", "9876543210", "2341", "234123412346", "5 mg", "mg", "1", "२३४१", "7", "क", "्", "ा",
    "http://", "www.", "/x", "ABCPE", "1234F", "asha", "okaxis", "ybl", "mail.example", ".in", "é",
    "K", "4111", "1111",
    "4111 1111-1111 1111", "@okaxis",
    "चमत्कारी", "इलाज", "a", "b", "ab", "₹", "😀",
  ]

  static func detectors() throws -> [any Detector] {
    [
      try Keywords(["paisa wapas", "paisa", "refund", "चमत्कारी इलाज", "C++", "k"]),
      try PatternDetector(#"\b\d{1,5}\s?mg\b"#),
      try PatternDetector(#"(?i)ab|b|a{2,4}$"#),
      try PatternDetector(#"\d{0,3}"#),
      PersonalData(),
      PersonalData([.aadhaar]),
      PersonalData([.card, .upi]),
      try ForeignLinks(allowing: ["mail.example"]),
    ]
  }

  @Test(arguments: 0 ..< 8)
  func `a growing text has the hits of the whole`(index: Int) throws {
    let detector = try Self.detectors()[index]
    #expect(detector.searchesGrowingText)
    var generator = SeededGenerator(state: UInt64(index))
    var hitCount = 0
    for _ in 0 ..< 400 {
      let count = Int.random(in: 1 ... 30, using: &generator)
      let pieces = (0 ..< count).map { _ in Self.pieces.randomElement(using: &generator) ?? "" }
      let whole = Array(pieces.joined().utf8)
      var hits: [Range<Int>] = []
      var text: [UInt8] = []
      var position = 0
      for (number, piece) in (pieces + [""]).enumerated() {
        text += piece.utf8
        let isComplete = number == pieces.count
        search: while true {
          let step = text.withUnsafeBytes {
            detector.step(in: $0, from: position, isComplete: isComplete)
          }
          switch step {
          case .hit(let range, let resume):
            #expect(range.lowerBound >= position)
            hits.append(range)
            position = resume
          case .clear(let end):
            #expect(end >= position)
            position = end
            break search
          }
        }
      }
      #expect(hits == detector.hits(in: whole), "\(pieces)")
      #expect(position == whole.count)
      hitCount += hits.count
    }
    #expect(hitCount > 10)
  }

  @Test func `a bounded pattern holds back no more than its reach`() throws {
    let detector = try PatternDetector(#"\b\d{1,5}\s?mg\b"#)
    let text = Array(String(repeating: "word ", count: 100).utf8)
    let step = text.withUnsafeBytes { detector.step(in: $0, from: 0, isComplete: false) }
    guard case .clear(let end) = step else {
      Issue.record("a hit where there is none")
      return
    }
    #expect(end >= text.count - 16)
  }

  @Test(arguments: [
    "a+", "a*", "a{2,}", "a{,3}", "(ab|c+)", #"\x{41}"#, "a+\u{301}", "a*\u{FE0F}", #"\Qa\E"#,
    "[ab", "a{+5}",
  ])
  func `what is not plainly bounded has no bound`(pattern: String) {
    #expect(PatternBound.of(pattern) == nil)
  }

  @Test(arguments: [
    ("abc", 7), (#"\b\d{6}\b"#, 10), ("a{2,5}|bb", 9), ("(?i)k", 8), (".{10}", 44), ("[^a]", 8),
    ("[0-9]{3}", 7), ("क", 7), ("(ab){3}", 10), (#"^a\.b$"#, 7),
  ])
  func `a bound counts the bytes of the longest match`(pattern: String, bound: Int) {
    #expect(PatternBound.of(pattern) == bound)
  }

  @Test func `the longest matches of random bounded patterns stay within the bound`() throws {
    let atoms = ["a", "k", "[a-k]", ".", #"\w"#, #"\s"#, "क", "(?:a|bé)", "s", #"\d"#]
    let quantifiers = ["", "?", "{2}", "{1,3}", "??"]
    let letters = ["a", "K", "b", "é", "क", " ", "7", "s", "\u{212A}", "\u{17F}", "k"]
    var generator = SeededGenerator(state: 7)
    for _ in 0 ..< 300 {
      let body = (0 ..< Int.random(in: 1 ... 6, using: &generator)).map { _ in
        (atoms.randomElement(using: &generator) ?? "")
          + (quantifiers.randomElement(using: &generator) ?? "")
      }.joined()
      let source = "(?i)" + body
      let bound = try #require(PatternBound.of(source))
      let pattern = try Pattern(source)
      let text = (0 ..< 200).map { _ in letters.randomElement(using: &generator) ?? "" }.joined()
      #expect(pattern.matches(in: text).allSatisfy { $0.count + 4 <= bound }, "\(source)")
    }
  }

  @Test func `keywords are found whole, in any case and spacing`() throws {
    let words = try Keywords(["paisa wapas", "C++", "दर्द"])
    func found(_ text: String) -> [String] {
      let bytes = Array(text.utf8)
      return words.matches(in: text).map { String(decoding: bytes[$0], as: UTF8.self) }
    }
    #expect(found("PAISA\n wapas, c++.") == ["PAISA\n wapas", "c++"])
    #expect(found("paisa wapasi").isEmpty)
    #expect(found("दर्द") == ["दर्द"])
    #expect(found("दर्दी").isEmpty)
    #expect(found("c++ c++ c++").count == 3)
  }

  @Test func `no words and patterns that need backtracking are refused`() {
    #expect(throws: PatternError.self) { try Keywords([" ", ""]) }
    #expect { try Pattern("(a)\\1") } throws: { ($0 as? PatternError)?.isUnsafe == true }
    #expect { try Pattern("a(?=b)") } throws: { ($0 as? PatternError)?.isUnsafe == true }
    #expect { try Pattern("a(") } throws: { ($0 as? PatternError)?.isUnsafe == false }
  }
}
