import Testing
import Transport

@Suite struct `Which address a client picks` {
  private typealias Pick = PickFirst<String>

  @Test func `all addresses of all endpoints are tried in order, then there is a wait`() {
    var pick = Pick(endpoints: 2, backoff: Backoff())
    #expect(pick.state == .idle)
    #expect(pick.begin() == .resolve(endpoint: 0))
    #expect(pick.state == .connecting)
    #expect(pick.resolved(["a", "b"], random: 0) == .connect("a"))
    #expect(pick.failed(random: 0) == .connect("b"))
    #expect(pick.failed(random: 0) == .resolve(endpoint: 1))
    #expect(pick.resolved(["c"], random: 0) == .connect("c"))
    #expect(pick.state == .connecting)
    #expect(pick.failed(random: 0) == .wait(.milliseconds(50)))
    #expect(pick.state == .transientFailure)
    // Names are asked for again.
    #expect(pick.begin() == .resolve(endpoint: 0))
    #expect(pick.resolved([], random: 0) == .resolve(endpoint: 1))
    #expect(pick.resolved([], random: 0) == .wait(.milliseconds(80)))
  }

  @Test func `a connection that was lost is made anew from the first endpoint`() {
    var pick = Pick(endpoints: 2, backoff: Backoff())
    _ = pick.begin()
    for _ in 0 ..< 5 {
      _ = pick.resolved([], random: 0)
      _ = pick.resolved([], random: 0)
      _ = pick.begin()
    }
    _ = pick.resolved(["a"], random: 0)
    pick.connected()
    #expect(pick.state == .ready)
    // The failures before are forgotten.
    #expect(pick.lost(random: 0) == .wait(.milliseconds(50)))
    #expect(pick.state == .connecting)
    #expect(pick.begin() == .resolve(endpoint: 0))
  }

  @Test func `after the end nothing is tried`() {
    var pick = Pick(endpoints: 1, backoff: Backoff())
    _ = pick.begin()
    pick.shutDown()
    #expect(pick.resolved(["a"], random: 0) == .stop)
    #expect(pick.failed(random: 0) == .stop)
    #expect(pick.lost(random: 0) == .stop)
    #expect(pick.begin() == .stop)
    #expect(pick.state == .shutdown)
    var none = Pick(endpoints: 0, backoff: Backoff())
    #expect(none.begin() == .stop)
  }
}
