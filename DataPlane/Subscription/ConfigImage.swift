package import Domain
internal import Foundation
internal import HashTreeCollections
internal import Wire
internal import WireMapping

/// All that a node holds as of one revision. A change makes a new image that shares the rest.
package struct ConfigImage: ConfigurationSnapshot {
  struct Held: Sendable {
    /// In its last good form; `isActive` as told last.
    var resource: BindingResource
    var resolved: ResolvedBinding
    var sections: [ResourceKey]
  }

  struct HeldSection: Sendable {
    var resource: SectionResource
    var decoded: DecodedSection
    /// Removed by the control plane, but a binding whose new form was refused still names it.
    var isOrphan = false
  }

  struct RouteName: Hashable, Sendable {
    var channel: String
    var key: String
  }

  package internal(set) var cursor: SubscriptionMachine.Cursor?
  var tenants: TreeDictionary<TenantID, TenantResource> = [:]
  var slugs: TreeDictionary<String, TenantID> = [:]
  var accounts: TreeDictionary<RouteName, ChannelAccountResource> = [:]
  var routes: TreeDictionary<RouteName, RouteResource> = [:]
  private(set) var bindings: TreeDictionary<BindingID, Held> = [:]
  /// How many bindings name a section.
  private(set) var uses: TreeDictionary<ResourceKey, Int> = [:]
  var sections: TreeDictionary<ResourceKey, HeldSection> = [:]
  /// Sections that were removed while a binding named them.
  var orphans: Set<ResourceKey> = []
  /// What is refused as it stands now.
  package internal(set) var rejections: [ResourceKey: Rejection] = [:]

  package init() {}

  package var revision: Revision { cursor?.revision ?? .zero }

  package func route(channel: String, key: String) -> RouteResource? {
    routes[RouteName(channel: channel, key: key)]
  }

  package func binding(_ id: BindingID) -> ResolvedBinding? { bindings[id]?.resolved }

  package func tenant(_ id: TenantID) -> TenantResource? { tenants[id] }

  package func tenant(slug: String) -> TenantResource? { slugs[slug].flatMap { tenants[$0] } }

  package func channelAccount(channel: String, slug: String) -> ChannelAccountResource? {
    accounts[RouteName(channel: channel, key: slug)]
  }

  var allTenants: [TenantResource] { Array(tenants.values) }

  /// Puts, replaces or (nil) removes a binding.
  mutating func hold(_ held: Held?, for id: BindingID) {
    for key in bindings[id]?.sections ?? [] {
      let left = (uses[key] ?? 0) - 1
      uses[key] = left > 0 ? left : nil
    }
    for key in held?.sections ?? [] { uses[key, default: 0] += 1 }
    bindings[id] = held
  }

  /// Everything held, in an order in which it can be applied again.
  var resources: [ConfigResource] {
    tenants.values.map { .tenant($0) } + accounts.values.map { .channelAccount($0) }
      + sections.values.map { .section($0.resource) }
      + bindings.values.map { .binding($0.resource) } + routes.values.map { .route($0) }
  }
}

/// A resource that a node does not serve in its newest form.
package struct Rejection: Hashable, Sendable {
  package var key: ResourceKey
  package var digest: Digest?
  /// Stable, see the proto's Rejection.
  package var code: String
  package var message: String
}
