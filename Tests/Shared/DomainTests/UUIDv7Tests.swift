import Domain
import Foundation
import Testing

@Suite("UUIDs of version 7")
struct UUIDv7Tests {
  @Test("hold the time in their first 48 bits, the version and the variant")
  func layout() {
    let uuid = UUIDv7.make(atMS: 0x0123_4567_89AB)
    let bytes = ID<TurnKind>(uuid).bytes
    #expect(bytes.prefix(6) == [0x01, 0x23, 0x45, 0x67, 0x89, 0xAB])
    #expect(bytes[6] >> 4 == 7)
    #expect(bytes[8] >> 6 == 0b10)
  }

  @Test("sort by their time and differ within it")
  func order() {
    let early = (0 ..< 100).map { _ in TurnID(UUIDv7.make(atMS: 1_000)) }
    #expect(Set(early).count == 100)
    let late = TurnID(UUIDv7.make(atMS: 1_001))
    #expect(early.allSatisfy { $0 < late })
  }
}
