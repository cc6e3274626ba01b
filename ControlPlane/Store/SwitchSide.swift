/// Who switches a tenant.
package enum SwitchSide: String, Hashable, Sendable {
  /// The platform's people, and whoever calls a control plane that asks nobody.
  case platform
  /// The tenant's own.
  case tenant
}
