import Testing
import Transport

@Suite struct `Addresses and waits` {
  @Test func `addresses are read and written alike`() throws {
    for text in ["127.0.0.1:7400", "[::1]:0", "unix:/run/x.sock", "localhost:1"] {
      let parsed = try TransportAddress(parsing: text).description
      #expect(parsed == text)
    }
  }

  @Test(arguments: ["", "7400", "host:", "host:70000", "::1:7", "unix:relative", "a b:1"])
  func `what is no address is refused`(text: String) {
    #expect(throws: TransportAddress.Malformed.self) { try TransportAddress(parsing: text) }
  }

  @Test func `only loopback and unix sockets are local`() throws {
    for (text, local) in [
      ("127.0.0.1:1", true), ("127.9.8.7:1", true), ("[::1]:1", true), ("unix:/x", true),
      ("localhost:1", true), ("0.0.0.0:1", false), ("10.0.0.1:1", false), ("[::]:1", false),
      ("127.evil.example:1", false),
    ] {
      let parsed = try TransportAddress(parsing: text).isLocal
      #expect(parsed == local, "\(text)")
    }
  }

  @Test func `waits grow to the maximum and jitter stays within its share`() {
    let backoff = Backoff()
    var last = Duration.zero
    for failures in 1 ... 20 {
      let delay = backoff.delay(failures: failures, random: 0)
      #expect(delay >= last && delay <= backoff.maximum)
      last = delay
      #expect(backoff.delay(failures: failures, random: 1) <= delay * 1.21)
      #expect(backoff.delay(failures: failures, random: -1) >= delay * 0.79)
    }
    #expect(last == backoff.maximum)
  }
}
