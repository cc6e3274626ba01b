internal import Domain

/// Reads a node's identity out of a verified certificate's names.
///
/// - `bindery:node:ID`, with `?region=R&tenant=UUID&tenant=…` when it is bound to those.
/// - `spiffe://TRUST-DOMAIN/…/node/ID`, with `region/R` and `tenant/UUID` pairs right before.
/// - With `acceptsCommonName`, and without such a URI: the common name as ID.
package struct NodeCertificate: Sendable {
  package var acceptsCommonName: Bool

  package init(acceptsCommonName: Bool = false) {
    self.acceptsCommonName = acceptsCommonName
  }

  /// nil: it names no node, or more than one, or binds it to what can't be read.
  package func grant(uris: [String], commonName: String?) -> NodeGrant? {
    let naming = uris.filter { $0.hasPrefix(Self.ownScheme) || Self.spiffePath($0) != nil }
    if naming.count == 1 {
      return naming[0].hasPrefix(Self.ownScheme) ? Self.own(naming[0]) : Self.spiffe(naming[0])
    }
    guard naming.isEmpty, acceptsCommonName, let commonName, isNodeName(commonName) else {
      return nil
    }
    return NodeGrant(nodeID: commonName)
  }

  private static let ownScheme = "bindery:node:"

  private static func own(_ uri: String) -> NodeGrant? {
    let parts = uri.dropFirst(ownScheme.count).split(
      separator: "?",
      maxSplits: 1,
      omittingEmptySubsequences: false
    )
    var pairs: [(String, String)] = []
    if parts.count == 2 {
      for pair in parts[1].split(separator: "&", omittingEmptySubsequences: false) {
        let sides = pair.split(separator: "=", omittingEmptySubsequences: false)
        guard sides.count == 2 else { return nil }
        pairs.append((String(sides[0]), String(sides[1])))
      }
    }
    return grant(String(parts[0]), pairs)
  }

  /// The path's segments, when the second last is "node".
  private static func spiffePath(_ uri: String) -> [String]? {
    guard uri.hasPrefix("spiffe://") else { return nil }
    let segments = uri.dropFirst("spiffe://".count)
      .split(separator: "/", omittingEmptySubsequences: false).dropFirst().map(String.init)
    guard segments.count >= 2, segments[segments.count - 2] == "node" else { return nil }
    return segments
  }

  private static func spiffe(_ uri: String) -> NodeGrant? {
    guard var rest = spiffePath(uri) else { return nil }
    let id = rest.removeLast()
    rest.removeLast()
    var pairs: [(String, String)] = []
    while rest.count >= 2, ["region", "tenant"].contains(rest[rest.count - 2]) {
      let value = rest.removeLast()
      pairs.append((rest.removeLast(), value))
    }
    // Passed over, a bond that stands elsewhere would let the node see more than was meant.
    guard !rest.contains(where: { ["region", "tenant", "node"].contains($0) }) else { return nil }
    return grant(id, pairs)
  }

  private static func grant(_ id: String, _ pairs: [(String, String)]) -> NodeGrant? {
    guard isNodeName(id) else { return nil }
    var grant = NodeGrant(nodeID: id)
    for (key, value) in pairs {
      switch key {
      case "region":
        guard grant.region == nil, isNodeName(value) else { return nil }
        grant.region = value
      case "tenant":
        guard let tenant = TenantID(value) else { return nil }
        grant.tenants = (grant.tenants ?? []).union([tenant])
      default: return nil
      }
    }
    return grant
  }
}

/// Whether a text may name a node or region: [a-zA-Z0-9._-]{1,64}.
package func isNodeName(_ text: String) -> Bool {
  (1 ... 64).contains(text.utf8.count)
    && text.utf8.allSatisfy { byte in
      switch byte {
      case UInt8(ascii: "a") ... UInt8(ascii: "z"), UInt8(ascii: "A") ... UInt8(ascii: "Z"),
        UInt8(ascii: "0") ... UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"),
        UInt8(ascii: "-"):
        true
      default: false
      }
    }
}
