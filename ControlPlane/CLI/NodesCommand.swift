internal import ArgumentParser
internal import Domain
internal import Foundation
internal import Wire
internal import WireServices

/// `bindery nodes`.
struct NodesCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "nodes",
    abstract: "Show the nodes: what they run on, how far behind they are, what they refused."
  )

  @OptionGroup var connection: ConnectionOptions

  func run() async throws {
    let options = connection.callOptions
    let answer = try await connection.withAdmin {
      try await $0.listNodes(Bindery_V1_ListNodesRequest(), options: options)
    }
    switch connection.output {
    case .json:
      try Terminal.printJSON([
        "revision": .int(answer.revision),
        "nodes": .array(answer.nodes.map { $0.json }),
      ])
    case .table:
      var table = Table([
        ("NODE", .left), ("REGION", .left), ("VERSION", .left), ("REVISION", .right),
        ("LAG", .right), ("STATE", .left), ("SEEN", .right), ("SPOOL", .right), ("TURNS", .right),
        ("REFUSED", .right), ("EDGE", .left),
      ])
      let now = Int64(Date().timeIntervalSince1970 * 1000)
      for node in answer.nodes {
        table.add([
          node.nodeID, node.region, node.version, String(node.revision),
          String(max(0, answer.revision - node.revision)),
          node.connected ? "connected" : "away", "\(max(0, now - node.lastSeenMs) / 1000) s",
          String(node.spoolDepth), String(node.activeTurns), String(node.rejections.count),
          node.edges.joined(separator: " "),
        ])
      }
      for line in table.lines { Terminal.print(line) }
      for node in answer.nodes {
        for rejection in node.rejections {
          Terminal.note(
            "\(node.nodeID) refused \(rejection.key.key): \(rejection.code) \(rejection.message)"
          )
        }
      }
    }
  }
}

extension Bindery_V1_NodeInfo {
  var json: JSONValue {
    [
      "node": .string(nodeID), "region": .string(region), "version": .string(version),
      "revision": .int(revision), "connected": .bool(connected),
      "last_seen_ms": .int(lastSeenMs), "spool_depth": .int(spoolDepth),
      "active_turns": .int(Int64(activeTurns)), "edges": .array(edges.map { .string($0) }),
      "rejections": .array(
        rejections.map {
          ["key": .string($0.key.key), "code": .string($0.code), "message": .string($0.message)]
        }
      ),
    ]
  }
}
