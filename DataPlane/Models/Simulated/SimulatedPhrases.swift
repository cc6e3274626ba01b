/// The offline model's few sentences, in the languages that it knows; English for all others.
struct SimulatedPhrases: Sendable {
  private let sentences: Sentences

  private struct Sentences: Sendable {
    var honest: String
    var heard: String
    var found: String
    var failed: String
    var missing: String
  }

  init(language: String) {
    sentences =
      Self.known[language] ?? Self.known[SimulatedPersona.primary(language)] ?? Self.english
  }

  /// Says that no language model is behind the answer.
  func honest(name: String) -> String {
    sentences.honest.replacing("{name}", with: name.isEmpty ? "Bindery" : name)
  }

  func heard(_ message: String) -> String {
    sentences.heard.replacing("{text}", with: message)
  }

  func found(_ tool: String, _ result: String) -> String {
    sentences.found.replacing("{tool}", with: tool).replacing("{text}", with: result)
  }

  func failed(_ tool: String) -> String { sentences.failed.replacing("{tool}", with: tool) }

  func missing(_ tool: String, _ argument: String) -> String {
    sentences.missing.replacing("{tool}", with: tool).replacing("{text}", with: argument)
  }

  private static let english = Sentences(
    honest: "I am {name}, speaking through a simulated model: no real language model is connected.",
    heard: "You wrote: “{text}”",
    found: "{tool} says: {text}",
    failed: "{tool} did not work just now.",
    missing: "For {tool} I need: {text}."
  )

  private static let known: [String: Sentences] = [
    "en": english,
    "hi": Sentences(
      honest: "मैं {name} हूँ और एक नकली (simulated) मॉडल से बोल रहा हूँ: असली भाषा मॉडल जुड़ा नहीं है।",
      heard: "आपने लिखा: “{text}”",
      found: "{tool} के अनुसार: {text}",
      failed: "{tool} अभी काम नहीं कर पाया।",
      missing: "{tool} के लिए यह चाहिए: {text}।"
    ),
    "hi-Latn": Sentences(
      honest: "Main {name} hoon aur ek nakli (simulated) model se bol raha hoon: "
        + "asli bhasha model juda nahi hai.",
      heard: "Aapne likha: “{text}”",
      found: "{tool} ke anusaar: {text}",
      failed: "{tool} abhi kaam nahi kar paya.",
      missing: "{tool} ke liye yeh chahiye: {text}."
    ),
    "kn": Sentences(
      honest: "ನಾನು {name}, ಸಿಮ್ಯುಲೇಟೆಡ್ (simulated) ಮಾದರಿಯಿಂದ ಮಾತನಾಡುತ್ತಿದ್ದೇನೆ: ನಿಜವಾದ ಭಾಷಾ ಮಾದರಿ ಜೋಡಿಸಿಲ್ಲ.",
      heard: "ನೀವು ಬರೆದದ್ದು: “{text}”",
      found: "{tool} ಹೇಳುವಂತೆ: {text}",
      failed: "{tool} ಈಗ ಕೆಲಸ ಮಾಡಲಿಲ್ಲ.",
      missing: "{tool} ಗೆ ಇದು ಬೇಕು: {text}."
    ),
  ]
}
