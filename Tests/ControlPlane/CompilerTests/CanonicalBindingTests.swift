import Codecs
import Compiler
import Domain
import Foundation
import Testing

/// A compiled binding is written by hand; RFC 8785's encoder says what it must be.
struct CanonicalBindingTests {
  @Test func aBindingsTextIsWhatTheCanonicalEncoderWrites() throws {
    var random = SplitMix(state: 8785)
    let texts = ["", "a", "sahayak", "\"", "\\", "tab\tline\n", "\u{1}", "नमस्ते", "𝄞\u{FB33}"]
    for _ in 0 ..< 500 {
      func text() -> String { texts[Int(random.next() % UInt64(texts.count))] }
      func id<Kind>() -> ID<Kind> { ID(random.uuid()) }
      func digest() -> Digest { Digest(of: Data(random.uuid().uuidString.utf8)) }
      func number() -> Int32 { Int32(truncatingIfNeeded: random.next()) }
      let binding = CompiledBinding(
        bindingID: id(),
        tenantID: id(),
        tenantSlug: text(),
        slug: text(),
        channels: (0 ..< random.next() % 4).map { _ in text() },
        pins: .init(
          humanID: id(),
          humanVersion: number(),
          teamID: id(),
          teamVersion: number(),
          agentID: id(),
          agentVersion: number(),
          compilerVersion: Int(number()),
          aliasTable: random.next() % 2 == 0 ? nil : text(),
          priceTable: random.next() % 2 == 0 ? nil : text()
        ),
        sections: .init(platform: digest(), human: digest(), team: digest(), agent: digest()),
        degraded: random.next() % 2 == 0 ? .serve : .hold
      )
      #expect(binding.canonicalText == (try CanonicalJSON.encode(binding)))
      #expect(try CanonicalJSON.decode(binding.canonicalText, as: CompiledBinding.self) == binding)
    }
  }
}

private struct SplitMix: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  mutating func uuid() -> UUID {
    let words = (next(), next())
    return withUnsafeBytes(of: words) { UUID(uuid: $0.load(as: uuid_t.self)) }
  }
}
