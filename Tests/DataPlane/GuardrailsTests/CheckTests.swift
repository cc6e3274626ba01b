import Domain
import Foundation
import Guardrails
import Testing

@Suite struct CheckTests {
  @Test func `a block rule ends the check with its message`() {
    let outcome = rules(
      human: [rule("h", .keyword, .block, ["words": ["miracle cure"]])],
      agent: [rule("a", .keyword, .log, ["words": ["cure"]])]
    ).check("A MIRACLE\ncure!", stage: .output)
    #expect(outcome.blocked == .init(ruleID: "h", message: ["en": "No.", "hi": "नहीं।"]))
    #expect(outcome.text.isEmpty)
    #expect(outcome.violations.map(\.ruleID) == ["h"])
    #expect(outcome.violations.first?.tier == "human")
    #expect(outcome.violations.first?.range == 2 ..< 14)
    #expect(
      outcome.violations.first?.digest == Digest(of: Data("MIRACLE\ncure".utf8)).hex
    )
  }

  @Test func `rewrites run platform, agent, team, human, each on what the one before left`() {
    let outcome = rules(
      platform: [rule("p", .regex, .rewrite, ["pattern": "a"], .replace, with: "b")],
      human: [rule("h", .regex, .rewrite, ["pattern": "d"], .replace, with: "e")],
      team: [rule("t", .regex, .rewrite, ["pattern": "c"], .replace, with: "d")],
      agent: [rule("a", .regex, .rewrite, ["pattern": "b"], .replace, with: "c")]
    ).check("a-a", stage: .output)
    #expect(outcome.text == "e-e")
    #expect(outcome.violations.map(\.ruleID) == ["platform.p", "a", "t", "h"])
    #expect(outcome.violations.map(\.tier) == ["agent", "agent", "team", "human"])
  }

  @Test func `what a rewrite makes is blocked if a rule forbids it`() {
    let outcome = rules(
      human: [rule("h", .regex, .rewrite, ["pattern": "x"], .replace, with: "poison")],
      agent: [rule("a", .keyword, .block, ["words": ["poison"]])]
    ).check("take x", stage: .output)
    #expect(outcome.blocked?.ruleID == "a")
    #expect(outcome.violations.map(\.severity) == [.rewrite, .block])
  }

  @Test func `each mode rewrites in its way`() {
    func text(_ mode: GuardrailRule.Rewrite.Mode, with: String?) -> String {
      rules(agent: [rule("a", .keyword, .rewrite, ["words": ["दवा", "pill"]], mode, with: with)])
        .check("one pill, दो दवा.", stage: .output).text
    }
    #expect(text(.mask, with: nil) == "one ••••, दो ••.")
    #expect(text(.replace, with: "[x]") == "one [x], दो [x].")
    #expect(text(.append, with: "Ask a doctor.") == "one pill, दो दवा.\n\nAsk a doctor.")
    #expect(text(.prepend, with: "Note: ") == "Note: one pill, दो दवा.")
    #expect(text(.truncate, with: nil) == "one …")
    #expect(text(.truncate, with: "") == "one ")
  }

  @Test func `a missing text is added, and not where it is there`() {
    let both = rules(
      team: [rule("x", .mustInclude, .rewrite, ["text": "one"], .append)],
      agent: [rule("x", .mustInclude, .rewrite, ["text": "two"], .append)]
    )
    #expect(both.check("Has two.", stage: .output).text == "Has two.\n\none")
    #expect(both.check("one two", stage: .output).violations.isEmpty)
    let block = rules(agent: [rule("x", .mustInclude, .block, ["text": "one"])])
    #expect(block.check("Has two.", stage: .output).blocked?.ruleID == "x")
  }

  @Test func `a text that is too long is cut at a space, by characters`() {
    let short = rules(agent: [rule("x", .maxLength, .rewrite, ["max": 20], .truncate, bound: nil)])
    #expect(short.check("नमस्ते दुनिया को", stage: .output).text == "नमस्ते दुनिया को")
    let cut = short.check("Hello there, my dear friends", stage: .output)
    #expect(cut.text == "Hello there, my…")
    #expect(cut.violations.first?.range == nil)
    #expect(
      short.check(String(repeating: "a", count: 30), stage: .output).text
        == String(repeating: "a", count: 19) + "…"
    )
    #expect(
      rules(agent: [rule("x", .maxLength, .block, ["max": 3])]).check("abcd", stage: .output)
        .blocked != nil
    )
  }

  @Test func `personal data is masked, links to other hosts are replaced`() {
    let outcome = rules(agent: [
      rule("pii", .pii, .rewrite, ["detect": ["aadhaar", "phone"]], .mask),
      rule(
        "url",
        .urlAllowlist,
        .rewrite,
        ["hosts": ["shop.in"]],
        .replace,
        with: "[link]",
        bound: nil
      ),
    ]).check("२३४१ २३४१ २३४६, 9876543210: https://shop.in/a http://evil.example/b.", stage: .output)
    #expect(outcome.text == "••••••••••••••, ••••••••••: https://shop.in/a [link].")
  }

  @Test func `rules hold at their stages, on their channels and in their languages`() {
    let when = GuardrailRule.Condition(channels: ["whatsapp"], languages: ["hi"])
    let one = [rule("x", .keyword, .block, ["words": ["x"]], stages: [.input], when: when)]
    func isBlocked(_ channel: String, _ language: String, _ stage: GuardrailRule.Stage) -> Bool {
      rules(agent: one, channel: channel, language: language).check("x", stage: stage).blocked
        != nil
    }
    #expect(isBlocked("whatsapp", "hi", .input))
    #expect(isBlocked("whatsapp", "hi-IN", .input))
    #expect(!isBlocked("whatsapp", "en", .input))
    #expect(!isBlocked("web", "hi", .input))
    #expect(!isBlocked("whatsapp", "hi", .output))
  }

  @Test(
    arguments: [
      ("regex", ["pattern": "("]), ("regex", [:]), ("keyword", ["words": []]),
      ("pii", ["detect": ["iris"]]), ("max_length", ["max": 0]), ("must_include", [:]),
      ("classifier", [:]), ("language", [:]), ("topic", [:]), ("rate", [:]), ("tool_args", [:]),
    ] as [(String, [String: JSONValue])]
  )
  func `a rule that can't run fails closed, or open where it only logs`(
    kind: String,
    params: [String: JSONValue]
  ) throws {
    let kind = try #require(GuardrailRule.Kind(rawValue: kind))
    func check(_ severity: GuardrailRule.Severity, _ failsClosed: Bool?) -> GuardrailOutcome {
      rules(agent: [
        rule("x", kind, severity, params, .replace, with: "y", failsClosed: failsClosed)
      ]).check("fine", stage: .output)
    }
    #expect(check(.block, nil).blocked?.ruleID == "x")
    #expect(check(.rewrite, nil).blocked?.ruleID == "x")
    #expect(check(.log, nil) == GuardrailOutcome(text: "fine"))
    #expect(check(.log, true).violations.map(\.severity) == [.log])
    #expect(check(.log, true).text == "fine")
    #expect(check(.block, false) == GuardrailOutcome(text: "fine"))
  }
}
