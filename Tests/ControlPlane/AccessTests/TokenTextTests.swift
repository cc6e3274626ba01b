import Access
import Domain
import Foundation
import Testing

@Suite struct `The text of a token` {
  @Test func `is read back as it was made, and names its token`() {
    for _ in 0 ..< 200 {
      let made = TokenText.make()
      let read = TokenText(made.text)
      #expect(read?.text == made.text)
      #expect(read?.id == made.id)
      #expect(read?.hash == made.hash)
      #expect(made.text.hasPrefix("bnd_\(made.id)_"))
      #expect(made.text.utf8.count == 67)
    }
  }

  @Test func `is another one each time, in every place`() {
    let texts = (0 ..< 300).map { _ in TokenText.make() }
    #expect(Set(texts.map(\.text)).count == 300)
    #expect(Set(texts.map(\.hash)).count == 300)
    // Each place of the secret takes many letters: 300 draws of 32 leave far fewer than half out.
    for place in 15 ..< 67 {
      #expect(Set(texts.map { Array($0.text)[place] }).count > 16)
    }
    let renewed = TokenText.make(id: texts[0].id)
    #expect(renewed.id == texts[0].id)
    #expect(renewed.hash != texts[0].hash)
  }

  @Test func `is the SHA-256 of all of it when stored`() {
    let made = TokenText.make()
    #expect(made.hash == Digest(of: Data(made.text.utf8)))
  }

  @Test func `with any one character changed, left out or added is another token or none`() {
    var random = SeededGenerator(seed: 7)
    for _ in 0 ..< 500 {
      let made = TokenText.make()
      var characters = Array(made.text)
      let place = Int.random(in: 0 ..< characters.count, using: &random)
      switch Int.random(in: 0 ..< 3, using: &random) {
      case 0: characters.remove(at: place)
      case 1: characters.insert("a", at: place)
      default: characters[place] = characters[place] == "q" ? "r" : "q"
      }
      let read = TokenText(String(characters))
      #expect(read?.hash != made.hash)
    }
  }

  @Test(arguments: [
    "", "bnd_", "bnd_abc", "Bearer x", "bnd_ABCDEFGHIJ_" + String(repeating: "a", count: 52),
    "bnd_abcdefghij-" + String(repeating: "a", count: 52),
    "bnd_abcdefghij_" + String(repeating: "a", count: 51) + "1",
    "bnd_abcdefghij_" + String(repeating: "a", count: 51) + "é",
    " bnd_abcdefghij_" + String(repeating: "a", count: 52),
  ])
  func `is refused when it is none`(_ text: String) {
    #expect(TokenText(text) == nil)
  }

  @Test func `does not show its secret when it is printed, dumped or interpolated`() {
    let made = TokenText.make()
    let secret = String(made.text.suffix(52))
    var dumped = ""
    dump(made, to: &dumped)
    for shown in ["\(made)", String(describing: made), String(reflecting: made), dumped] {
      #expect(!shown.contains(secret))
      #expect(shown.contains(made.id))
    }
  }
}

/// SplitMix64.
struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
