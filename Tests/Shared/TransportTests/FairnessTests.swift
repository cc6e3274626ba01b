import HTTP2
import NIOCore
import NIOEmbedded
import RawHTTP2
import Testing
import Transport

@Suite struct `Connections of one loop` {
  /// The embedded loop runs jobs until there are none, as the real one does before it looks at its
  /// sockets; this test ends only if there are none at some time, although the channel takes all that
  /// is written and the handler writes without end.
  @Test(.timeLimit(.minutes(1)))
  func `get their turn beside a writer without end whose reader keeps up`() throws {
    let channel = EmbeddedChannel()
    let configuration = ServerTransportConfiguration()
    let end = try DrivenConnection.server(configuration, on: channel.embeddedEventLoop)
    try channel.pipeline.syncOperations.addHandler(end.handler)
    channel.pipeline.fireChannelActive()
    let frames: [RawFrame] = [
      .settings([(4, 1 << 30)]), .windowUpdate(0, 1 << 30),
      .headers(1, RawFrame.request(path: "/t.T/n"), flags: 5),
    ]
    let opening = RawHTTP2Peer.preface + frames.flatMap(\.bytes)
    try channel.writeInbound(channel.allocator.buffer(bytes: opening))
    channel.embeddedEventLoop.run()
    let first = configuration.metrics.values.traffic.bytesOut
    #expect(first > 1 << 20 && first < 1 << 23, "\(first)")
    // And it goes on.
    for _ in 0 ..< 3 { channel.embeddedEventLoop.advanceTime(by: .microseconds(20)) }
    let later = configuration.metrics.values.traffic.bytesOut
    #expect(later > 2 * first && later < 1 << 26, "\(later)")
    try channel.close().wait()
    #expect(end.openStreams == 0)
    // The turn that was to come finds nobody.
    channel.embeddedEventLoop.advanceTime(by: .seconds(1))
    #expect(end.liveCalls == 0)
  }
}
