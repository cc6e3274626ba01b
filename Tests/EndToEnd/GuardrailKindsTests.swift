import Domain
import Foundation
import Scenario
import Testing

/// In a tier's list of rules.
private let everyKind = """
      - rule_id: kichcha.politics
        kind: topic
        severity: block
        params:
          deny: [{words: [election, minister], weight: 2}, {words: [vote, party]}]
          allow: [{words: [birthday], weight: 3}]
          max_score: 1
        message: {en: "I keep out of politics.", kn: "ರಾಜಕೀಯ ಬೇಡ."}
      - rule_id: kichcha.tone
        kind: keyword
        severity: rewrite
        params: {words: [nonsense]}
        rewrite: {mode: regenerate, with: "Be polite."}
        message: {en: "Let me put that another way later."}
      - rule_id: kichcha.speech
        kind: language
        severity: block
        params: {allow: [kn, en]}
        message: {en: "I answer in Kannada or English.", kn: "ಕನ್ನಡ ಅಥವಾ ಇಂಗ್ಲಿಷ್."}
      - rule_id: kichcha.stock-args
        kind: tool_args
        severity: block
        params: {checks: [{tools: [check_stock], pointer: /item, deny_pattern: "(?i)gold"}]}
      - rule_id: kichcha.rate
        kind: rate
        severity: block
        params: {limits: [{max: 3, window_s: 600, per: conversation}]}
        message: {en: "That is a lot at once. Please wait a little."}

  """

@Suite(
  .serialized,
  .stack(base: 8800) { stack in
    try await stack.start()
    let sample = try stack.copySample {
      $0.replacing(
        "    - rule_id: kichcha.cards\n",
        with: everyKind + "    - rule_id: kichcha.cards\n"
      )
    }
    try await stack.apply(sample, nodes: 2)
  }
)
struct `Rules of every kind` {
  let stack: Stack

  init() throws { stack = try Stack.ofSuite() }

  private func violations(_ rule: String, _ severity: String) -> String {
    """
    select 1 from guardrail_violations where rule_id = '\(rule)' and severity = '\(severity)'
      and tier = 'agent' and context ->> 'sha256' ~ '^[0-9a-f]{64}$' and context::text !~ 'nonsense'
    """
  }

  private func say(_ text: String) async throws -> WebVisitor.Reply {
    try await WebVisitor(host: "kichcha.example").say(text, to: stack.edges[0])
  }

  @Test func `a topic is blocked by the weights of its words`() async throws {
    let blocked = try await say("say: The minister asks for your vote.")
    #expect(blocked.text == "I keep out of politics.")
    let fine = try await say("say: A birthday party for the minister.")
    #expect(fine.text == "A birthday party for the minister.")
    try await stack.waitForRow("it is stored", violations("kichcha.politics", "block"))
  }

  @Test func `a reply is written again once, then the rule's message is sent, each try a row`()
    async throws
  {
    let reply = try await say("say: That is nonsense and you know it.")
    #expect(reply.text == "Let me put that another way later.")
    try await waitUntil("both tries are stored", within: .seconds(15)) {
      try await stack.database().count(violations("kichcha.tone", "rewrite")) == 2
    }
    let calls = """
      select 1 from llm_calls c join messages m on m.session_id = c.session_id
      where m.body = 'Let me put that another way later.'
      """
    #expect(try await stack.database().count(calls) == 2)
  }

  @Test func `a reply in a language that is not allowed is blocked`() async throws {
    let reply = try await say("say: kal tak aapka saman pahunch jayega, chinta mat karo")
    #expect(reply.text == "I answer in Kannada or English." || reply.text == "ಕನ್ನಡ ಅಥವಾ ಇಂಗ್ಲಿಷ್.")
    try await stack.waitForRow("it is stored", violations("kichcha.speech", "block"))
  }

  @Test func `a call with forbidden arguments never reaches the tool`() async throws {
    _ = try await say(#"please call check_stock {"item": "GOLD ring"}"#)
    try await stack.waitForRow("it is stored", violations("kichcha.stock-args", "block"))
    _ = try await say(#"please call check_stock {"item": "silver ring"}"#)
    let calls = try await stack.received(by: stack.ports.tools)
      .filter { $0["path"] == "/tools/check_stock" }
    #expect(calls.map { $0["body"]?["item"] } == ["silver ring"])
  }

  @Test func `a fourth message within the window gets the rule's message, and no model is asked`()
    async throws
  {
    let visitor = WebVisitor(host: "kichcha.example")
    var texts: [String] = []
    for number in 1 ... 4 {
      let reply = try await visitor.say("say: this is answer \(number)", to: stack.edges[0])
      texts.append(reply.text)
    }
    #expect(texts.prefix(3) == ["this is answer 1", "this is answer 2", "this is answer 3"])
    #expect(texts.last == "That is a lot at once. Please wait a little.")
    try await stack.waitForRow("it is stored", violations("kichcha.rate", "block"))
  }

  @Test func `Hindi in Latin letters is answered in Latin letters`() async throws {
    let latin = try await WebVisitor(host: "sahayak.example").say(
      "mera naam kya hai batao bhaiya",
      to: stack.edges[1]
    )
    #expect(latin.text.contains("Aapne likha"))
    let devanagari = try await WebVisitor(host: "sahayak.example").say(
      "मेरा नाम क्या है",
      to: stack.edges[1]
    )
    #expect(devanagari.text.contains("आपने लिखा"))
  }
}
