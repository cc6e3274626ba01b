import Domain
import Guardrails
import Testing

@Suite struct KindTests {
  // MARK: - language

  private static func speaks(_ allowed: [JSONValue]) -> GuardrailRules {
    rules(agent: [rule("x", .language, .block, ["allow": .array(allowed)], bound: nil)])
  }

  @Test(arguments: [
    ("When will the parcel reach my house?", false), ("मेरा सामान कब तक पहुँचेगा", false),
    ("mera saman kab tak pahunch jayega", true), ("ನನ್ನ ಸಾಮಾನು ಯಾವಾಗ ಬರುತ್ತೆ", true),
    ("ok", false), ("12345", false), ("", false), ("Где моя посылка?", true), ("我的包裹在哪里", true),
    ("میرا پارسل کہاں ہے", true), ("ที่ไหน", true), ("𝗛𝗲𝗹𝗹𝗼 𝗮𝗹𝗹", false), ("ＨＥＬＬＯ", false),
    ("👍🏽", false),
    ("Thomas Ивано", false), ("я", false),
  ])
  func `a text in a language that is not allowed is a hit, one that can't be told is none`(
    text: String,
    isHit: Bool
  ) {
    let outcome = Self.speaks(["en", "hi-Deva"]).check(text, stage: .output)
    #expect((outcome.blocked != nil) == isHit)
  }

  @Test func `a language without a script is allowed in any`() {
    let rules = Self.speaks(["hi"])
    #expect(rules.check("mera saman kab tak pahunch jayega", stage: .output).blocked == nil)
    #expect(rules.check("मेरा सामान कब तक पहुँचेगा", stage: .output).blocked == nil)
  }

  // MARK: - topic

  private static let elections: [String: JSONValue] = [
    "deny": [["words": ["election", "चुनाव"], "weight": 2], ["words": ["party", "vote"]]],
    "allow": [["words": ["birthday"], "weight": 2]], "max_score": 1,
  ]

  @Test(arguments: [
    ("Who wins the election?", true), ("चुनाव कब है", true), ("The vote of the party", true),
    ("A party for you", false), ("party party party", false), ("An election birthday party", false),
    ("Selection of shirts", false), ("", false),
  ])
  func `a topic is told by the weights of its words, each counted once`(text: String, isHit: Bool) {
    let rules = rules(agent: [rule("x", .topic, .block, Self.elections, bound: nil)])
    #expect((rules.check(text, stage: .output).blocked != nil) == isHit)
  }

  @Test func `a topic's words can be masked, and the record has where the first stands`() {
    let rules = rules(agent: [rule("x", .topic, .rewrite, Self.elections, .mask, bound: nil)])
    let outcome = rules.check("On election day we vote.", stage: .output)
    #expect(outcome.text == "On •••••••• day we ••••.")
    #expect(outcome.violations.map(\.range) == [3 ..< 11])
  }

  @Test func `two tiers' rules of a topic become one that denies more and allows less`() {
    let wider: [String: JSONValue] = ["deny": [["words": ["cricket"], "weight": 9]], "allow": []]
    let both = rules(
      team: [rule("x", .topic, .block, wider, bound: nil)],
      agent: [rule("x", .topic, .block, Self.elections, bound: nil)]
    )
    for text in ["cricket", "an election birthday"] {
      #expect(both.check(text, stage: .output).blocked?.ruleID == "x", "\(text)")
    }
  }

  // MARK: - tool_args

  private static let refund: JSONValue = [
    "tools": ["refund"], "pointer": "/amount", "max": 5_000, "min": 1, "required": true,
  ]

  private static func blocks(_ checks: [JSONValue], _ arguments: String, tool: String) -> Bool {
    rules(agent: [
      rule("x", .toolArgs, .block, ["checks": .array(checks)], stages: [.toolArgs])
    ]).check(arguments, stage: .toolArgs, about: GuardSubject(tool: tool)).blocked != nil
  }

  @Test(arguments: [
    (#"{"amount": 5000}"#, false), (#"{"amount": 5000.5}"#, true), (#"{"amount": 0}"#, true),
    (#"{"amount": "100"}"#, true), (#"{}"#, true), (#"{"amount": null}"#, true),
    (#"{"amount": [10, 6000]}"#, true), (#"{"amount": {"inr": 10}}"#, false), ("[", true),
    (#"{"amount": 1, "amount": 9000}"#, true), ("", true),
  ])
  func `a number beyond its bounds, of another type, missing or written twice stops the call`(
    arguments: String,
    isHit: Bool
  ) {
    #expect(Self.blocks([Self.refund], arguments, tool: "refund") == isHit)
    #expect(!Self.blocks([Self.refund], arguments, tool: "look_up"))
  }

  @Test(arguments: [
    (#"{"to": {"city/town": "Pune"}}"#, false), (#"{"to": {"city/town": " pune "}}"#, false),
    (#"{"to": {"city/town": "Delhi"}}"#, true),
    (#"{"to": {"city/town": ["Pune", "Delhi"]}}"#, true),
    (#"{"to": {}}"#, false), (#"{"to": "Delhi"}"#, false),
  ])
  func `a list of what is allowed holds for the value at a pointer, whatever its case`(
    arguments: String,
    isHit: Bool
  ) {
    let check: JSONValue = ["pointer": "/to/city~1town", "allow": ["Pune", "Nashik"]]
    #expect(Self.blocks([check], arguments, tool: "any") == isHit)
  }

  @Test func `a pattern is looked for in all texts below the pointer, and lists deny`() {
    let pattern: JSONValue = ["pointer": "", "deny_pattern": #"(?i)drop\s+table"#]
    #expect(Self.blocks([pattern], #"{"a": [{"b": "x; DROP TABLE users"}]}"#, tool: "sql"))
    #expect(!Self.blocks([pattern], #"{"a": [{"b": "drop by"}]}"#, tool: "sql"))
    let list: JSONValue = ["pointer": "/id", "deny": ["7"]]
    #expect(Self.blocks([list], #"{"id": 7}"#, tool: "any"))
    #expect(!Self.blocks([list], #"{"id": 8}"#, tool: "any"))
    // Two tiers' checks hold together.
    #expect(Self.blocks([Self.refund, list], #"{"id": 7, "amount": 5}"#, tool: "refund"))
  }

  @Test(arguments: [
    #"{"text":"Details:\nsecret"}"#, #"{"text":["a","\u0073ecret"]}"#, #"{"a":"\"secret\""}"#,
  ])
  func `rules of texts look behind JSON's escapes`(document: String) {
    for stage in [GuardrailRule.Stage.toolArgs, .toolResult] {
      let blocking = rules(agent: [
        rule("x", .keyword, .block, ["words": ["secret"]], stages: [stage])
      ])
      #expect(blocking.check(document, stage: stage).blocked?.ruleID == "x")
      let masking = rules(agent: [
        rule("x", .keyword, .rewrite, ["words": ["secret"]], .mask, stages: [stage])
      ]).check(document, stage: stage)
      #expect(!masking.text.contains("secret") && masking.violations.count == 1)
      #expect(masking.text.contains("u0073") == false)
    }
  }

  // MARK: - rate

  private static let limits: JSONValue = [
    ["max": 3, "window_s": 60, "per": "conversation"],
    ["max": 5, "window_s": 3_600, "per": "user"],
  ]

  private static func isTooMuch(conversation: [Int64], user: [Int64]) -> Bool {
    let subject = GuardSubject(userArrivals: user, conversationArrivals: conversation)
    return rules(agent: [rule("x", .rate, .block, ["limits": limits], stages: [.input])])
      .check("hi", stage: .input, about: subject).blocked != nil
  }

  @Test func `messages are counted in a window that ends with the newest`() {
    #expect(!Self.isTooMuch(conversation: [0, 1_000, 2_000], user: []))
    #expect(Self.isTooMuch(conversation: [0, 1_000, 2_000, 59_999], user: []))
    #expect(!Self.isTooMuch(conversation: [0, 1_000, 2_000, 60_000], user: []))
    #expect(Self.isTooMuch(conversation: [], user: (0 ..< 6).map { $0 * 100_000 }))
    #expect(!Self.isTooMuch(conversation: [], user: (0 ..< 6).map { $0 * 1_000_000 }))
    #expect(!Self.isTooMuch(conversation: [], user: []))
  }

  @Test func `a message that is noted twice is counted once, and the table stays bounded`() {
    var table = ArrivalTable(capacity: 1_000)
    let first = ArrivalTable.Arrival(id: 1, atMS: 10)
    #expect(table.note([first], of: "a") == [10])
    #expect(table.note([first, .init(id: 2, atMS: 5)], of: "a") == [5, 10])
    #expect(table.note([], of: "b") == [])
    for id in 0 ..< 20_000 {
      _ = table.note([.init(id: UInt64(id), atMS: Int64(id))], of: "user \(id % 7_000)")
    }
    #expect(table.count <= 2_100)
    var one = ArrivalTable()
    for id in 0 ..< 3_000 { _ = one.note([.init(id: UInt64(id), atMS: Int64(id))], of: "a") }
    #expect(one.count == 1_001)
    // A day later what was before says nothing.
    #expect(one.note([.init(id: 9_999, atMS: 90_000_000)], of: "a") == [90_000_000])
  }

  // MARK: - regenerate

  @Test func `a rule to regenerate asks for another try, and nothing of the first leaves`() {
    let rules = rules(agent: [
      rule("x", .keyword, .rewrite, ["words": ["stupid"]], .regenerate, with: "Be kind.")
    ])
    var guardian = OutputGuard(rules)
    #expect(guardian.push("What a long and stupid ").isEmpty && guardian.push("thing").isEmpty)
    let outcome = guardian.finish()
    #expect(outcome.regenerate == .init(ruleID: "x", guidance: "Be kind.", message: [:]))
    #expect(outcome.text.isEmpty && outcome.blocked == nil)
    #expect(outcome.violations.map(\.severity) == [.rewrite])
    #expect(rules.check("fine", stage: .output) == GuardrailOutcome(text: "fine"))
  }

  @Test func `a block goes before another try, and at other stages there is none`() {
    let again = rule(
      "x",
      .keyword,
      .rewrite,
      ["words": ["stupid"]],
      .regenerate,
      stages: [.output, .toolResult]
    )
    let both = rules(agent: [again, rule("y", .keyword, .block, ["words": ["poison"]])])
    #expect(both.check("stupid poison", stage: .output).blocked?.ruleID == "y")
    #expect(both.check("stupid", stage: .toolResult).blocked?.ruleID == "x")
    #expect(both.check("stupid", stage: .toolResult).violations.map(\.severity) == [.block])
  }

  @Test(arguments: [GuardrailRule.Kind.rate, .toolArgs, .language])
  func `what can't be rewritten is blocked`(kind: GuardrailRule.Kind) {
    let params: [String: JSONValue] = [
      "allow": ["kn"], "checks": [["pointer": "", "deny": ["x"]]],
      "limits": [["max": 1, "window_s": 9, "per": "user"]],
    ]
    let stage: GuardrailRule.Stage = kind == .rate ? .input : .toolArgs
    let text = kind == .language ? "What is the price of this?" : #""x""#
    let subject = GuardSubject(userArrivals: [1, 2])
    let outcome = rules(agent: [rule("x", kind, .rewrite, params, .mask, stages: [stage])])
      .check(text, stage: stage, about: subject)
    #expect(outcome.blocked?.ruleID == "x")
  }

  // MARK: - Streaming

  @Test
  func `links are let go with the space behind them, and what is appended holds nothing back`() {
    let rules = rules(agent: [
      rule("links", .urlAllowlist, .rewrite, ["hosts": ["a.in"]], .replace, with: "[link]"),
      rule("note", .mustInclude, .rewrite, ["text": ["Ask a doctor."]], .append, bound: nil),
    ])
    var guardian = OutputGuard(rules)
    #expect(guardian.push("See http://a.in/x and ") == "See http://a.in/x and ")
    #expect(guardian.push("http://b.").isEmpty && guardian.push("in/path").isEmpty)
    #expect(guardian.push(", or ") == "[link], or ")
    #expect(guardian.push("c.in") == "")
    #expect(guardian.finish().text == "See http://a.in/x and [link], or [link]\n\nAsk a doctor.")
  }

  private static let forbidden: [(GuardrailRule, text: String)] = [
    (rule("word", .keyword, .block, ["words": ["ज़हर", "poison"]]), "poison"),
    (rule("word", .keyword, .block, ["words": ["ज़हर", "poison"]]), "ज़हर"),
    (rule("code", .regex, .block, ["pattern": #"\bX\d{4}\b"#]), "X1234"),
    (rule("phone", .pii, .block, [:]), "९८७६५४३२१०"),
    (rule("card", .pii, .block, [:]), "4111 1111 1111 1111"),
    (rule("link", .urlAllowlist, .block, ["hosts": ["a.in"]]), "https://evil.example/x?y=1"),
    (rule("bare", .urlAllowlist, .block, ["hosts": []]), "evil.in"),
  ]

  @Test(arguments: forbidden.indices)
  func `forbidden text cut at every byte never leaves, not even its first letter`(index: Int) {
    let (rule, text) = Self.forbidden[index]
    let rules = rules(agent: [rule])
    let before = "Listen to me: "
    let all = Array((before + text + " and then a good deal more is said about it").utf8)
    for cut in 0 ... all.count {
      // A stream's decoder keeps the bytes of a character together.
      var first = cut
      while first > 0, first < all.count, all[first] & 0xC0 == 0x80 { first -= 1 }
      var guardian = OutputGuard(rules)
      var released = guardian.push(String(decoding: all[..<first], as: UTF8.self))
      released += guardian.push(String(decoding: all[first...], as: UTF8.self))
      #expect(before.hasPrefix(released), "cut at \(cut): \(released)")
      #expect(guardian.finish().blocked?.ruleID == rule.ruleID)
    }
    var guardian = OutputGuard(rules)
    var released = ""
    for scalar in String(decoding: all, as: UTF8.self).unicodeScalars {
      released += guardian.push(String(scalar))
    }
    #expect(before.hasPrefix(released))
  }
}
