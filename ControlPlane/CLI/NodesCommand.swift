internal import ArgumentParser
internal import Domain
internal import Foundation
internal import Wire
internal import WireServices

/// `bindery nodes [forget NODE]`.
struct NodesCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "nodes",
    abstract: "Show the nodes: what they run on, how far behind they are, what they refused.",
    discussion: """
      Nodes of all replicas of the control plane. KNOWN is how old that is: "live" for those of the \
      replica that is asked; the others tell of theirs within some seconds.
      """,
    subcommands: [ListNodes.self, ForgetNode.self],
    defaultSubcommand: ListNodes.self
  )
}

/// `bindery nodes forget NODE`.
struct ForgetNode: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "forget",
    abstract: "Take out a node that is gone for good, so that no wait counts it.",
    discussion: "One that is away is forgotten by itself after a day. A connected one is refused."
  )

  @OptionGroup var connection: ConnectionOptions

  @Argument(help: "Name of the node.")
  var node: String

  func run() async throws {
    let options = connection.callOptions
    var request = Bindery_V1_ForgetNodeRequest()
    request.nodeID = node
    let message = request
    _ = try await connection.withAdmin { try await $0.forgetNode(message, options: options) }
    switch connection.output {
    case .json: try Terminal.printJSON(["node": .string(node), "forgotten": true])
    case .table: Terminal.print("\(node) is forgotten")
    }
  }
}

/// `bindery nodes list`, which is `bindery nodes`.
struct ListNodes: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list",
    abstract: "Show the nodes (the default)."
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
        ("REFUSED", .right), ("KNOWN", .left), ("EDGE", .left),
      ])
      let now = Int64(Date().timeIntervalSince1970 * 1000)
      for node in answer.nodes {
        table.add([
          node.nodeID, node.region, node.version, String(node.revision),
          String(max(0, answer.revision - node.revision)),
          node.connected ? "connected" : "away", "\(max(0, now - node.lastSeenMs) / 1000) s",
          String(node.spoolDepth), String(node.activeTurns), String(node.rejections.count),
          node.replica.isEmpty && node.ageMs == 0
            ? "live" : "\(node.replica.isEmpty ? "?" : node.replica), \(node.ageMs / 1000) s ago",
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
      "replica": .string(replica), "age_ms": .int(ageMs),
      "rejections": .array(
        rejections.map {
          ["key": .string($0.key.key), "code": .string($0.code), "message": .string($0.message)]
        }
      ),
    ]
  }
}
