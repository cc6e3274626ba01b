import Domain

/// JSON values from a seed (SplitMix64), each in the one form that reading gives.
struct SeededValues: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }

  mutating func value(depth: Int) -> JSONValue {
    switch Int.random(in: 0 ..< (depth > 0 ? 8 : 6), using: &self) {
    case 0: return .null
    case 1: return .bool(Bool.random(using: &self))
    case 2: return .int(Int64(bitPattern: next()) >> Int64.random(in: 0 ..< 64, using: &self))
    case 3: return number()
    case 4, 5: return .string(text())
    case 6:
      return .array(
        (0 ..< Int.random(in: 0 ... 4, using: &self)).map { _ in value(depth: depth - 1) }
      )
    default:
      var members: [String: JSONValue] = [:]
      for _ in 0 ..< Int.random(in: 0 ... 4, using: &self) {
        members[text()] = value(depth: depth - 1)
      }
      return .object(members)
    }
  }

  /// Any finite double; whole ones that fit are integers when read.
  private mutating func number() -> JSONValue {
    let double = Double(bitPattern: next())
    guard double.isFinite else { return .double(0.5) }
    return Int64(exactly: double).map { .int($0) } ?? .double(double)
  }

  private mutating func text() -> String {
    let alphabet: [Unicode.Scalar] = [
      "a", "Z", "0", "\"", "\\", "/", "\n", "\u{0}", "\u{1F}", "\u{7F}", "é", "न", "ಕ", "€", "😀",
      "\u{FB33}", "\u{2028}",
    ]
    var text = ""
    for _ in 0 ..< Int.random(in: 0 ... 8, using: &self) {
      text.unicodeScalars.append(alphabet[Int.random(in: 0 ..< alphabet.count, using: &self)])
    }
    return text
  }
}
