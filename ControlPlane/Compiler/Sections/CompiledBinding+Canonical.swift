internal import Codecs
package import Domain

/// What `CanonicalJSON.encode` says of a compiled binding, written straight down: an edit of a tier
/// makes one of these for each binding that uses it, and going through `Encodable` costs some thirty
/// times as much.
extension CompiledBinding {
  /// RFC 8785: members in the order of their names.
  package var canonicalText: String {
    var text = ""
    text.reserveCapacity(1_100)
    text += "{\"binding_id\":\"\(bindingID.description)\",\"channels\":["
    for (index, channel) in channels.enumerated() {
      if index > 0 { text += "," }
      CanonicalJSON.append(channel, to: &text)
    }
    text += "],\"degraded\":\"\(degraded.rawValue)\",\"pins\":{"
    text += "\"agent_id\":\"\(pins.agentID.description)\",\"agent_version\":\(pins.agentVersion)"
    if let table = pins.aliasTable { Self.append("alias_table", table, to: &text) }
    text += ",\"compiler_version\":\(pins.compilerVersion)"
    text += ",\"human_id\":\"\(pins.humanID.description)\",\"human_version\":\(pins.humanVersion)"
    if let table = pins.priceTable { Self.append("price_table", table, to: &text) }
    text += ",\"team_id\":\"\(pins.teamID.description)\",\"team_version\":\(pins.teamVersion)}"
    text += ",\"sections\":{\"agent\":\"\(sections.agent.hex)\",\"human\":\"\(sections.human.hex)\""
    text += ",\"platform\":\"\(sections.platform.hex)\",\"team\":\"\(sections.team.hex)\"}"
    Self.append("slug", slug, to: &text)
    text += ",\"tenant_id\":\"\(tenantID.description)\""
    Self.append("tenant_slug", tenantSlug, to: &text)
    text += "}"
    return text
  }

  private static func append(_ name: String, _ value: String, to text: inout String) {
    text += ",\"\(name)\":"
    CanonicalJSON.append(value, to: &text)
  }
}
