package import Domain
package import Subscription

/// What a turn may do at this moment, read live before every effect.
package enum TurnGate: Hashable, Sendable {
  case open
  /// Paused, kept until the resume.
  case held
  /// Paused, answered with the tenant's message.
  case refused(LocalizedText)
  /// Archived or unknown tenant, or a binding that is switched off.
  case closed
  /// The node lease has run out and the tenant wants silence then.
  case stale

  package var isOpen: Bool { self == .open }

  /// The gate of a binding, both of its tenant's switch and its own.
  package static func read(
    _ configuration: any ConfigurationReading,
    tenant: TenantID,
    binding: BindingID
  ) -> TurnGate {
    switch configuration.gate(tenant) {
    case .closed: .closed
    case .paused(.hold, _): .held
    case .paused(.refuse, let message): .refused(message)
    case .stale: configuration.isActive(binding) ? .stale : .closed
    case .open: configuration.isActive(binding) ? .open : .closed
    }
  }
}
