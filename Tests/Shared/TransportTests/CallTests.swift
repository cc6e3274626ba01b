import GRPCCore
import Synchronization
import Testing
import Transport

@Suite struct `Calls over the transport` {
  @Test func `messages go both ways in order, for all four kinds of calls`() async throws {
    try await withEcho { _, client, _ in
      let both = try await client.echo("Update", [[1], [2, 3], []])
      #expect(both.messages == [[1], [2, 3], []])
      let collected = try await client.echo("Collect", [[1], [2], [3]])
      #expect(collected.messages == [[1, 2, 3]])
      let expanded = try await client.echo("Expand", [[4, 5, 6]])
      #expect(expanded.messages == [[4], [5], [6]])
      let unary = try await client.echo("Collect", [[9]])
      #expect(unary.messages == [[9]])
    }
  }

  @Test func `a unix socket carries the same`() async throws {
    let path = "/tmp/bindery-transport-\(UInt32.random(in: 0 ... .max)).sock"
    try await withEcho(at: .unix(path: path)) { _, client, _ in
      let answered = try await client.echo("Collect", [[1, 2]]).messages
      #expect(answered == [[1, 2]])
    }
  }

  @Test func `metadata goes both ways, binary values too`() async throws {
    try await withEcho { _, client, _ in
      let metadata: Metadata = ["x-text": "a, b", "x-raw-bin": .binary([0, 1, 254, 255])]
      let answer = try await client.echo("Update", [[1]], metadata: metadata)
      #expect(Array(answer.initial[stringValues: "initial-x-text"]) == ["a, b"])
      #expect(Array(answer.initial[binaryValues: "initial-x-raw-bin"]) == [[0, 1, 254, 255]])
      #expect(Array(answer.trailing[stringValues: "trailing-x-text"]) == ["a, b"])
      #expect(Array(answer.trailing[binaryValues: "trailing-x-raw-bin"]) == [[0, 1, 254, 255]])
    }
  }

  @Test func `an answer of trailers only brings code, message and metadata`() async throws {
    try await withEcho { _, client, _ in
      let error = await #expect(throws: RPCError.self) { try await client.echo("Fail", [[1]]) }
      #expect(error?.code == .failedPrecondition)
      #expect(error?.message == "nö: 100% of \n it")
      #expect(error.map { Array($0.metadata[stringValues: "why"]) } == ["because"])
      #expect(error.map { Array($0.metadata[binaryValues: "raw-bin"]) } == [[0, 255, 1]])
    }
  }

  @Test func `a status with more to say than peers take is cut, not lost`() async throws {
    try await withEcho { _, client, _ in
      let error = await #expect(throws: RPCError.self) {
        try await client.echo("FailAtLength", [[1]])
      }
      #expect(error?.code == .notFound)
      let message = try #require(error?.message)
      #expect(message.hasPrefix("ವಿವರ ವಿವರ") && message.hasSuffix("…"))
      #expect((1_900 ... 2_100).contains(message.utf8.count))
    }
  }

  @Test func `an unknown method is UNIMPLEMENTED`() async throws {
    try await withEcho { _, client, _ in
      let error = await #expect(throws: RPCError.self) { try await client.echo("Nothing", [[1]]) }
      #expect(error?.code == .unimplemented)
    }
  }

  @Test func `a message larger than the windows arrives whole`() async throws {
    try await withEcho { _, client, _ in
      let big = (0 ..< 3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
      let answer = try await client.echo("Update", [big, big, [1]])
      #expect(answer.messages == [big, big, [1]])
    }
  }

  @Test func `a message above the limit is RESOURCE_EXHAUSTED and the connection goes on`()
    async throws
  {
    var configuration = ServerTransportConfiguration()
    configuration.maxReceivedMessageBytes = 1000
    try await withEcho(server: configuration) { _, client, _ in
      let error = await #expect(throws: RPCError.self) {
        try await client.echo("Update", [[UInt8](repeating: 0, count: 1001)])
      }
      #expect(error?.code == .resourceExhausted)
      let answered = try await client.echo("Update", [[1]]).messages
      #expect(answered == [[1]])
    }
  }

  @Test func `a deadline cancels the handler and the caller gets DEADLINE_EXCEEDED`() async throws {
    try await withEcho { echo, client, _ in
      var options = CallOptions.defaults
      options.timeout = .milliseconds(100)
      let limited = options
      let error = await #expect(throws: RPCError.self) {
        try await client.echo("Hang", [[1]], options: limited)
      }
      #expect(error?.code == .deadlineExceeded)
      let happened = try await eventually { echo.cancelled.withLock { $0 } == 1 }
      #expect(happened)
    }
  }

  @Test func `cancelling the caller's task cancels the handler`() async throws {
    try await withEcho { echo, client, _ in
      let call = Task { try await client.echo("Hang", [[1]]) }
      await Task.yield()
      call.cancel()
      _ = await call.result
      // Cancelled before it began, the handler may never have run: run one that has.
      try await client.bidirectionalStreaming(
        request: StreamingClientRequest { try await $0.write([1]) },
        descriptor: EchoService.method("Hang"),
        serializer: RawSerializer(),
        deserializer: RawDeserializer(),
        options: .defaults
      ) { response in
        for try await _ in response.messages { break }
      }
      let happened = try await eventually { echo.cancelled.withLock { $0 } >= 1 }
      #expect(happened)
    }
  }

  @Test(arguments: ["Collect", "Hang"])
  func `a caller that is cancelled gets CANCELLED`(method: String) async throws {
    try await withEcho { _, client, _ in
      let (moment, continuation) = AsyncStream.makeStream(of: Void.self)
      await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask {
          defer { continuation.finish() }
          try await client.bidirectionalStreaming(
            request: StreamingClientRequest { writer in
              // Collect waits for the end of these, Hang answers the first.
              try await writer.write([1])
              if method == "Collect" { continuation.finish() }
              let (never, open) = AsyncStream.makeStream(of: Void.self)
              for await _ in never {}
              open.finish()
            },
            descriptor: EchoService.method(method),
            serializer: RawSerializer(),
            deserializer: RawDeserializer(),
            options: .defaults
          ) { response in
            for try await _ in response.messages { continuation.finish() }
          }
        }
        for await _ in moment {}
        group.cancelAll()
        let result = await group.nextResult()
        let error = #expect(throws: RPCError.self) { try result?.get() }
        #expect(error?.code == .cancelled)
      }
    }
  }

  @Test func `a reader that does not read stops the writer at a bounded window`() async throws {
    try await withEcho { echo, client, _ in
      try await client.bidirectionalStreaming(
        request: StreamingClientRequest { try await $0.write([1]) },
        descriptor: EchoService.method("Flood"),
        serializer: RawSerializer(),
        deserializer: RawDeserializer(),
        options: .defaults
      ) { response in
        var iterator = response.messages.makeAsyncIterator()
        _ = try await iterator.next()
        // The count stands still once window and queue are full: 256 KiB and 64 KiB, 16 KiB each.
        var seen = -1
        while true {
          let now = echo.flooded.withLock { $0 }
          if now == seen { break }
          seen = now
          // Other calls on the same connection aren't held up.
          for _ in 0 ..< 50 { _ = try await client.echo("Collect", [[2]]) }
        }
        #expect(seen < 40)
        // Reading lets it go on.
        for _ in 0 ..< 100 { _ = try await iterator.next() }
        #expect(echo.flooded.withLock { $0 } > seen)
      }
    }
  }

  @Test func `many calls at once on one connection all get their own answer`() async throws {
    try await withEcho { _, client, _ in
      try await withThrowingTaskGroup(of: Bool.self) { group in
        for index in 0 ..< 500 {
          group.addTask {
            let message = [UInt8(index & 255), UInt8(index >> 8)]
            return try await client.echo("Update", [message]).messages == [message]
          }
        }
        for try await isRight in group { #expect(isRight) }
      }
    }
  }
}
