import Domain
import Foundation
import Testing

struct UUIDTextTests {
  @Test func theTextOfAnIdIsFoundationsInLowerCaseAndReadsBackInEitherCase() {
    var bytes = (UInt64(7), UInt64(11))
    for _ in 0 ..< 2_000 {
      bytes.0 = bytes.0 &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      bytes.1 = bytes.1 &* 2_862_933_555_777_941_757 &+ 3_037_000_493
      let uuid = withUnsafeBytes(of: bytes) { raw in UUID(uuid: raw.load(as: uuid_t.self)) }
      #expect(uuid.text == uuid.uuidString.lowercased())
      #expect(UUID(text: uuid.text.utf8) == uuid)
      #expect(UUID(text: uuid.uuidString.utf8) == uuid)
    }
  }

  @Test(arguments: [
    "", "0b1c", "0b1c2d3e4f5061728394a5b6c7d8e9f0", "0b1c2d3e-4f50-6172-8394-a5b6c7d8e9f",
    "0b1c2d3e-4f50-6172-8394-a5b6c7d8e9f00", "0b1c2d3e-4f50-6172-8394+a5b6c7d8e9f0",
    "0b1c2d3e-4f50-6172-8394-a5b6c7d8e9g0", "-b1c2d3e04f50-6172-8394-a5b6c7d8e9f0",
    "{b1c2d3e-4f50-6172-8394-a5b6c7d8e9f}",
  ])
  func whatIsNoIdIsRefusedAsByFoundation(_ text: String) {
    #expect(UUID(text: text.utf8) == nil)
    #expect(UUID(uuidString: text) == nil)
    #expect(TenantID(text) == nil)
  }

  @Test func aDigestHasOneText() {
    let digest = Digest(of: Data("a".utf8))
    #expect(Digest(hex: digest.hex) == digest)
    #expect(Digest(hex: digest.hex.uppercased()) == nil)
    #expect(Digest(hex: String(digest.hex.dropLast())) == nil)
    #expect(Digest(hex: String(digest.hex.dropLast()) + "g") == nil)
  }
}
