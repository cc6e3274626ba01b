package import Domain
package import Foundation

/// What one watcher sees, and in which form. Watchers with equal scopes share their frames.
package struct WatchScope: Hashable, Sendable {
  /// How much the node keeps.
  package enum Mode: Hashable, Sendable {
    /// Every binding of its scope.
    case eager
    /// Routes, tenants and accounts; bindings are fetched on first use.
    case lazy
  }

  package var mode: Mode
  /// The tenants that it may see; nil for all. Platform sections belong to everyone.
  package var tenants: Set<TenantID>?
  /// Of the rollouts that are for some nodes only, the audiences that the node is among. Watchers are
  /// told apart by these and not by what they are labelled with, so that they share frames.
  package var audiences: Set<Audience> = []

  package init(mode: Mode, tenants: Set<TenantID>? = nil) {
    self.mode = mode
    self.tenants = tenants
  }

  /// What a node of this filter is told as its store's incarnation: another one for each filter.
  ///
  /// A cursor tells what of one filter has been seen. A node that is bound to other tenants than
  /// before must not resume from it: it would miss what it did not see then, and keep what it may not
  /// see any more.
  package func incarnation(of store: UUID) -> UUID {
    guard let tenants else { return store }
    let content = tenants.sorted().reduce(into: TenantID(store).bytes) { $0 += $1.bytes }
    return TenantID(bytes: Digest(of: Data(content)).bytes.prefix(16))?.uuid ?? store
  }

  /// The scope as it is for a node of this place, in a state with these audiences.
  package func among(_ audiences: some Sequence<Audience>, at place: NodePlace) -> WatchScope {
    var scope = self
    scope.audiences = Set(
      audiences.filter { $0.includes(region: place.region, labels: place.labels) }
    )
    return scope
  }

  /// Whether a rollout for `audience` is for this node.
  package func isAmong(_ audience: Audience) -> Bool {
    audience.isEveryone || audiences.contains(audience)
  }

  /// Whether the filter lets `owner`'s resources through; nil is the platform.
  package func admits(_ owner: TenantID?) -> Bool {
    guard let owner, let tenants else { return true }
    return tenants.contains(owner)
  }

  /// Whether the resource is sent in data; LAZY nodes fetch bindings and sections.
  package func carries(_ key: ResourceKey) -> Bool {
    guard admits(key.tenantID) else { return false }
    switch key {
    case .binding, .section, .candidate: return mode == .eager
    case .tenant, .channelAccount, .route: return true
    }
  }
}

/// What rollouts choose nodes by.
package struct NodePlace: Hashable, Sendable {
  package var region: String
  package var labels: [String: String]

  package init(region: String = "", labels: [String: String] = [:]) {
    self.region = region
    self.labels = labels
  }
}
