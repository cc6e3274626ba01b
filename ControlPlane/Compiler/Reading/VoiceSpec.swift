internal import Domain

/// How a persona speaks, read.
struct VoiceSpec {
  var tone: [String]
  var register: String?
  var address: LocalizedText
  var signature: [String]
  var emoji: String?
  var maxSentences: Int64?
  var forbidden: [String]

  private static let keys = [
    "tone", "register", "address", "signature", "emoji", "max_sentences", "forbidden",
  ]

  init(_ voice: SpecReader) {
    voice.warnUnknown(Self.keys, code: "VOICE_UNKNOWN_KEY")
    tone = voice.strings("tone", maxCount: 30, bare: true)
    register = voice.string("register", maxLength: 200)
    address = voice.localized("address")
    signature = voice.strings("signature", maxCount: 30, bare: true)
    emoji = voice.string("emoji", maxLength: 200)
    maxSentences =
      voice.value("max_sentences") == nil
      ? nil : voice.int("max_sentences", in: 1 ... 50, default: 4)
    forbidden = voice.strings("forbidden", maxCount: 200, bare: true)
  }
}
