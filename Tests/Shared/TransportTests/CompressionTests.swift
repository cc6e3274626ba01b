import GRPCCore
import NIOCore
import Testing
import Transport

@Suite struct `Messages in gzip` {
  /// Numbers from a fixed seed (splitmix64).
  private struct Seeded: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
      state &+= 0x9E37_79B9_7F4A_7C15
      var mixed = state
      mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
      mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
      return mixed ^ (mixed >> 31)
    }
  }

  private func compressed(_ bytes: some Sequence<UInt8>) throws -> ByteBuffer {
    try #require(try Gzip.compressed(ByteBuffer(bytes: bytes)))
  }

  @Test(arguments: [UInt64(1), 2, 3])
  func `what was compressed comes back, whatever its size`(seed: UInt64) throws {
    var random = Seeded(state: seed)
    let sizes =
      Array(0 ... 40) + (0 ..< 40).map { _ in Int.random(in: 0 ... 1 << 20, using: &random) }
    for size in sizes {
      // From all alike to no two alike.
      let alphabet = UInt8.random(in: 1 ... 200, using: &random)
      let bytes = (0 ..< size).map { _ in UInt8.random(in: 0 ..< alphabet, using: &random) }
      let input = ByteBuffer(bytes: bytes)
      guard let output = try Gzip.compressed(input) else {
        #expect(size < 1024 || alphabet > 190, "\(size) bytes of \(alphabet) values")
        continue
      }
      #expect(output.readableBytes < size)
      let exact = try Gzip.decompressed(output, limit: size)
      #expect(exact == input)
      let roomy = try Gzip.decompressed(output, limit: 2 << 20)
      #expect(roomy == input)
      #expect(throws: Gzip.Failure.tooLong) { try Gzip.decompressed(output, limit: size - 1) }
    }
  }

  @Test func `bytes without a pattern are left as they are`() throws {
    var random = Seeded(state: 4)
    let bytes = (0 ..< 100_000).map { _ in UInt8.random(in: 0 ... .max, using: &random) }
    let output = try Gzip.compressed(ByteBuffer(bytes: bytes))
    #expect(output == nil)
  }

  @Test func `a bomb is refused at the limit`() throws {
    let bomb = try compressed([UInt8](repeating: 0, count: 64 << 20))
    #expect(bomb.readableBytes < 100_000)
    for limit in [0, 1, 1000, 1 << 20] {
      #expect(throws: Gzip.Failure.tooLong) { try Gzip.decompressed(bomb, limit: limit) }
    }
  }

  @Test func `one that is cut off anywhere, or changed at its end, is malformed`() throws {
    let whole = try compressed((0 ..< 5000).map { UInt8($0 % 61) })
    for length in 0 ..< whole.readableBytes {
      let cut = try #require(whole.getSlice(at: 0, length: length))
      #expect(throws: Gzip.Failure.malformed, "\(length)") {
        try Gzip.decompressed(cut, limit: 1 << 20)
      }
    }
    // Checksum and length (RFC 1952 section 2.3.1).
    for offset in 1 ... 8 {
      var changed = whole
      let place = whole.readableBytes - offset
      let byte = try #require(changed.getInteger(at: place, as: UInt8.self))
      changed.setInteger(byte ^ 0x10, at: place)
      #expect(throws: Gzip.Failure.malformed) { try Gzip.decompressed(changed, limit: 1 << 20) }
    }
  }

  @Test func `what is no gzip, or goes on behind it, is malformed`() throws {
    var trailing = try compressed([UInt8](repeating: 9, count: 1000))
    trailing.writeInteger(UInt8(0))
    let raw: [UInt8] = [0x78, 0x9C, 0x63, 0, 0, 0, 1, 0, 1]
    for bytes in [trailing, ByteBuffer(string: "hello, hello"), ByteBuffer(bytes: raw)] {
      #expect(throws: Gzip.Failure.malformed) { try Gzip.decompressed(bytes, limit: 1 << 20) }
    }
  }

  @Test(arguments: [false, true])
  func `a call is compressed when it asks or its side's configuration does`(
    isAsked: Bool
  )
    async throws
  {
    var server = ServerTransportConfiguration()
    server.compressesResponses = isAsked
    var client = ClientTransportConfiguration()
    client.compressesRequests = isAsked
    try await withEcho(server: server, client: client) { _, client, _ in
      let messages = [[UInt8](repeating: 1, count: 3_000_000), [], [1], Array(0 ... 255)]
      for compression in [nil, CompressionAlgorithm.none, .gzip, .deflate] {
        var options = CallOptions.defaults
        options.compression = compression
        let answer = try await client.bidirectionalStreaming(
          request: StreamingClientRequest { writer in
            for message in messages { try await writer.write(message) }
          },
          descriptor: EchoService.method("Update"),
          serializer: RawSerializer(),
          deserializer: MarkedDeserializer(RawDeserializer()),
          options: options
        ) { response in
          try await response.messages.reduce(into: []) { $0.append($1) }
        }
        #expect(answer.map(\.message) == messages)
        // Only where it saves anything.
        #expect(answer.map(\.isCompressed) == [isAsked, false, false, false])
      }
    }
  }

  @Test func `a message above the limit when decompressed is RESOURCE_EXHAUSTED`() async throws {
    var configuration = ServerTransportConfiguration()
    configuration.maxReceivedMessageBytes = 100_000
    try await withEcho(server: configuration) { _, client, _ in
      var options = CallOptions.defaults
      options.compression = .gzip
      let gzip = options
      let fitting = [UInt8](repeating: 3, count: 100_000)
      let answer = try await client.echo("Update", [fitting], options: gzip).messages
      #expect(answer == [fitting])
      let error = await #expect(throws: RPCError.self) {
        try await client.echo("Update", [fitting + [3]], options: gzip)
      }
      #expect(error?.code == .resourceExhausted)
      #expect(error?.message.contains("decompressed") == true)
      let next = try await client.echo("Update", [[1]], options: gzip).messages
      #expect(next == [[1]])
    }
  }
}
