import Testing
import TransportFuzz

@Suite struct `Mutated sessions` {
  /// The long run is Shared/Scripts/fuzz.
  @Test func `neither end crashes, keeps too much or leaves anything behind`() throws {
    var fuzzer = try Fuzzer()
    for input in UInt64(0) ..< 3_000 { try fuzzer.run(input) }
    // A channel that counts as closed would take none of it.
    #expect(fuzzer.bytesFed > 500_000, "\(fuzzer.bytesFed)")
    #expect(fuzzer.callsServed > 2_000, "\(fuzzer.callsServed)")
  }
}
