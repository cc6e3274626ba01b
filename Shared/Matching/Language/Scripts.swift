/// Scripts by Unicode block, and the language that each tells (ISO 15924, ISO 639-1).
enum Scripts {
  struct Entry: Sendable {
    let script: String
    let language: String
    let block: ClosedRange<UInt32>
  }

  /// One language for each script that is mostly one language's.
  static let all = [
    Entry(script: "Deva", language: "hi", block: 0x0900 ... 0x097F),
    Entry(script: "Beng", language: "bn", block: 0x0980 ... 0x09FF),
    Entry(script: "Guru", language: "pa", block: 0x0A00 ... 0x0A7F),
    Entry(script: "Gujr", language: "gu", block: 0x0A80 ... 0x0AFF),
    Entry(script: "Orya", language: "or", block: 0x0B00 ... 0x0B7F),
    Entry(script: "Taml", language: "ta", block: 0x0B80 ... 0x0BFF),
    Entry(script: "Telu", language: "te", block: 0x0C00 ... 0x0C7F),
    Entry(script: "Knda", language: "kn", block: 0x0C80 ... 0x0CFF),
    Entry(script: "Mlym", language: "ml", block: 0x0D00 ... 0x0D7F),
  ]

  /// ISO 15924's code for what has none: all scripts whose languages aren't known here.
  static let foreign = "Zzzz"

  /// Empty for letters that any script may use, such as Latin ones in bold or full width.
  static func script(of scalar: Unicode.Scalar) -> String {
    switch scalar.value {
    case ..<0x0250, 0x1E00 ... 0x1EFF: return "Latn"
    case 0x0900 ... 0x0D7F: return all.first { $0.block.contains(scalar.value) }?.script ?? ""
    // Vedic signs and more of Devanagari; letters of mathematics and other styles.
    case 0x1CD0 ... 0x1CFF, 0xA8E0 ... 0xA8FF, 0x1D400 ... 0x1D7FF, 0x1F100 ... 0x1FAFF: return ""
    // Phonetic letters; superscripts, letter-like and enclosed ones.
    case 0x0250 ... 0x036F, 0x1D00 ... 0x1DFF, 0x2000 ... 0x2BFF: return ""
    case 0xA640 ... 0xA69F, 0xA6A0 ... 0xA6FF: return foreign
    // More Latin letters, small and full width.
    case 0x2C60 ... 0x2C7F, 0xA700 ... 0xA7FF, 0xAB30 ... 0xAB6F, 0xFB00 ... 0xFB06,
      0xFF00 ... 0xFF5E:
      return ""
    default: return foreign
    }
  }

  static func language(of script: String) -> String? {
    all.first { $0.script == script }?.language
  }

  /// The script that a language is usually written in; nil for languages not known here.
  static func usual(of language: String) -> String? {
    switch language {
    case "en": "Latn"
    case "mr": "Deva"
    default: all.first { $0.language == language }?.script
    }
  }
}

/// Words that tell Marathi from Hindi in Devanagari.
enum DevanagariWords {
  static let marathi: Set<String> = words(
    """
    आहे आहेत नाही आणि मला तुम्ही तुम्हाला माझा माझी माझे माझ्या आम्ही काय कसे कशी कधी कुठे केव्हा हवे हवी
    हवा पाहिजे झाला झाली झाले होते होता होती करा करू करता कृपया मी तू तो ती ते हे ही आज उद्या काल साठी मध्ये
    पण म्हणून सांगा द्या घ्या येईल जाईल मिळेल मिळाले मिळाली नको किती कोणते कोणता कोणी आमच्या तुमचा तुमची
    तुमचे तुमच्या अजून पर्यंत खूप छान बद्दल शकता शकतो
    """
  )
  static let hindi: Set<String> = words(
    """
    है हैं नहीं और मुझे आप आपका आपकी आपके मेरा मेरी मेरे हम क्या कैसे कैसा कब कहाँ कहां चाहिए हुआ हुई हुए था थी
    थे करो करें करना मैं वह वो यह ये के का की को से में पर लेकिन इसलिए बताओ बताइए बताएं दो दीजिए लो मिलेगा
    मिलेगी मिला मिली कितना कितनी कितने कौन कौनसा हमारे तक बहुत अच्छा अच्छी सकता सकती सकते रहा रही रहे
    गया गई गए कर तो भी ही अभी कोई कुछ
    """
  )

  private static func words(_ text: String) -> Set<String> {
    // Two words are of both languages and tell nothing.
    Set(text.split(whereSeparator: \.isWhitespace).map(String.init)).subtracting(["ये", "ही", "कृपया"])
  }
}
