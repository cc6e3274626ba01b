internal import Synchronization

/// The open watch streams of each node, few: a node needs one, and leaves an old one behind when its
/// connection is lost. Of more than that the oldest ends, so that no node takes others' room.
final class NodeStreams: Sendable {
  private struct Stream {
    var connection: Int
    var end: AsyncStream<Void>.Continuation
  }

  private static let limit = 4
  private let streams = Mutex<[String: [Stream]]>([:])

  /// - Parameter end: finished when the stream has to make room.
  func begin(_ connection: Int, of nodeID: String, end: AsyncStream<Void>.Continuation) {
    let replaced = streams.withLock { streams -> Stream? in
      streams[nodeID, default: []].append(Stream(connection: connection, end: end))
      guard let open = streams[nodeID], open.count > Self.limit else { return nil }
      return streams[nodeID]?.removeFirst()
    }
    replaced?.end.finish()
  }

  func end(_ connection: Int, of nodeID: String) {
    streams.withLock { streams in
      streams[nodeID]?.removeAll { $0.connection == connection }
      if streams[nodeID]?.isEmpty == true { streams[nodeID] = nil }
    }
  }
}
