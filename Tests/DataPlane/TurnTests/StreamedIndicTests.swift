import Domain
import Foundation
import Models
import Subscription
import Testing
import Turn
import TurnDoubles
import Wire

/// Letters of Indic scripts are several scalars: a rule's window may end within one, and what leaves
/// before the commit and after it must still be the whole reply.
@Suite("A streamed reply in Indic scripts")
struct StreamedIndicTests {
  private static let replies = [
    "नमस्ते! आपका पार्सल कल सुबह तक पहुँच जाएगा, कृपया प्रतीक्षा कीजिए।",
    "ज़रूर, मैं आपकी क्या मदद कर सकती हूँ? क्षेत्र और श्रीमती",
    "ನಮಸ್ಕಾರ, ನಿಮ್ಮ ಪಾರ್ಸೆಲ್ ನಾಳೆ ಬೆಳಿಗ್ಗೆ ತಲುಪುತ್ತದೆ ಕ್ಷಮಿಸಿ",
    "வணக்கம், உங்கள் பார்சல் நாளை காலை வந்து சேரும் க்ஷ ஸ்ரீ",
    "আপনার পার্সেল কাল সকালে পৌঁছাবে, ক্ষমা করবেন কিঞ্চিৎ",
  ]

  private static func rule(bound: Int) -> GuardrailRule {
    GuardrailRule(
      ruleID: "no-poison",
      kind: .keyword,
      stages: [.output],
      severity: .block,
      params: ["words": ["ज़हर"]],
      rewrite: nil,
      message: ["hi": "नहीं।"],
      when: .init(),
      failsClosed: true,
      overridableBy: [],
      enabled: true,
      bound: bound
    )
  }

  /// Cut anywhere between two scalars, as tokens of a model are.
  private static func cut(_ text: String, every length: Int) -> [String] {
    let scalars = Array(text.unicodeScalars)
    return stride(from: 0, to: scalars.count, by: length).map { start in
      var piece = ""
      piece.unicodeScalars.append(contentsOf: scalars[start ..< min(start + length, scalars.count)])
      return piece
    }
  }

  @Test("arrives complete, however it is cut and wherever the window ends", arguments: replies)
  func complete(reply: String) async throws {
    for bound in [1, 2, 3, 5, 8, 13, 40] {
      for length in [1, 2, 3, 7, 1_000] {
        let tenant = SampleTenant(guardrails: [Self.rule(bound: bound)])
        var harness = TurnHarness(
          tenant: tenant,
          model: ScriptedModel(.pieces(Self.cut(reply, every: length)))
        )
        harness.services.guards = BindingGuards()
        let runner = TurnRunner(harness.services)
        let plan = try #require(
          runner.plan(harness.address("web"), message: harness.message("पार्सल कहाँ है"))
        )
        let stream = CollectingStream()
        let end = await runner.run(plan, known: [], delivery: .stream(stream))
        #expect(end.kind == .replied)
        // By scalars: two texts may be the same letters and other bytes.
        #expect(Array(stream.text.unicodeScalars) == Array(reply.unicodeScalars))
        #expect(harness.controlPlane.read { $0.commits }.first?.messages.last?.body == reply)
        if length == 1 {
          #expect(stream.pieces.count > 2, "it was not streamed")
        }
      }
    }
  }
}
