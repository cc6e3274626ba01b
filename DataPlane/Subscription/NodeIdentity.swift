/// What a node says of itself in Hello.
package struct NodeIdentity: Hashable, Sendable {
  /// How much the node keeps.
  package enum Mode: String, Hashable, Sendable {
    case eager
    /// Bindings are fetched on first use.
    case lazy
  }

  /// Unique in the fleet: [a-zA-Z0-9._-]{1,64}.
  package var nodeID: String
  package var region: String
  package var labels: [String: String]
  package var version: String
  /// Addresses of the HTTP edge.
  package var edges: [String]
  package var mode: Mode

  package init(
    nodeID: String,
    region: String,
    labels: [String: String] = [:],
    version: String,
    edges: [String] = [],
    mode: Mode = .eager
  ) {
    self.nodeID = nodeID
    self.region = region
    self.labels = labels
    self.version = version
    self.edges = edges
    self.mode = mode
  }

  /// Region and labels as one text: a copy made at another place may lack candidates.
  package static func place(region: String, labels: [String: String]) -> String {
    ([region] + labels.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" })
      .joined(separator: ",")
  }
}
