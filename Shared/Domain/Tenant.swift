/// Whether a tenant's agents talk.
package enum TenantStatus: String, Hashable, Sendable, Codable {
  case active
  /// No new turn, no send.
  case paused
  /// Routes answer like unknown ones.
  case archived
}

/// What a node does for a tenant when its node lease has run out.
package enum StalePolicy: String, Hashable, Sendable, Codable, CaseIterable {
  /// Go on with what is known.
  case serve
  /// Start no turn and send nothing.
  case refuse
}

/// What happens to messages that come in while a tenant is paused.
package enum PausedPolicy: String, Hashable, Sendable, Codable, CaseIterable {
  /// Kept, and answered on resume.
  case hold
  /// Refused with the tenant's message.
  case refuse
}
