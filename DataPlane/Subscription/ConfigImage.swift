package import Domain
internal import Foundation
internal import HashTreeCollections
package import Wire
internal import WireMapping

/// All that a node holds as of one revision. A change makes a new image that shares the rest.
package struct ConfigImage: ConfigurationSnapshot {
  struct Held: Sendable {
    /// In its last good form; `isActive` as told last.
    var resource: BindingResource
    var resolved: ResolvedBinding
    var sections: [ResourceKey]
  }

  struct HeldCandidate: Sendable {
    var resource: CandidateResource
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
  /// Served, but not to be resumed from: another version of the program has refused a part of it.
  var needsWhole = false
  var tenants: TreeDictionary<TenantID, TenantResource> = [:]
  var slugs: TreeDictionary<String, TenantID> = [:]
  var accounts: TreeDictionary<RouteName, ChannelAccountResource> = [:]
  var routes: TreeDictionary<RouteName, RouteResource> = [:]
  private(set) var bindings: TreeDictionary<BindingID, Held> = [:]
  /// What the people of a cohort get in place of a binding.
  private(set) var candidates: TreeDictionary<BindingID, HeldCandidate> = [:]
  /// How many bindings and candidates name a section.
  private(set) var uses: TreeDictionary<ResourceKey, Int> = [:]
  var sections: TreeDictionary<ResourceKey, HeldSection> = [:]
  /// Sections that were removed while a binding named them.
  var orphans: Set<ResourceKey> = []
  /// What is refused as it stands now.
  package internal(set) var rejections: [ResourceKey: Rejection] = [:]

  package init() {}

  /// Where a stream may go on from.
  package var resumable: SubscriptionMachine.Cursor? { needsWhole ? nil : cursor }

  package var revision: Revision { cursor?.revision ?? .zero }

  package func route(channel: String, key: String) -> RouteResource? {
    routes[RouteName(channel: channel, key: key)]
  }

  package func binding(_ id: BindingID) -> ResolvedBinding? { bindings[id]?.resolved }

  package func candidate(of id: BindingID) -> Candidate? {
    candidates[id].map { Candidate(resource: $0.resource, resolved: $0.resolved) }
  }

  package func tenant(_ id: TenantID) -> TenantResource? { tenants[id] }

  package func tenant(slug: String) -> TenantResource? { slugs[slug].flatMap { tenants[$0] } }

  package func channelAccount(channel: String, slug: String) -> ChannelAccountResource? {
    accounts[RouteName(channel: channel, key: slug)]
  }

  package var bindingIDs: [BindingID] { Array(bindings.keys) }

  /// What channel routes lead to.
  package var routedBindings: [(tenant: TenantID, binding: BindingID)] {
    routes.values.map { ($0.tenantID, $0.bindingID) }
  }

  package var allTenants: [TenantResource] { Array(tenants.values) }

  /// Whether a binding's newest form was refused, so that it is not to be fetched again.
  package func refuses(_ binding: BindingID, of tenant: TenantID) -> Bool {
    rejections[.binding(tenant, binding)] != nil
  }

  /// Puts, replaces or (nil) removes a binding.
  mutating func hold(_ held: Held?, for id: BindingID) {
    for key in bindings[id]?.sections ?? [] {
      let left = (uses[key] ?? 0) - 1
      uses[key] = left > 0 ? left : nil
    }
    for key in held?.sections ?? [] { uses[key, default: 0] += 1 }
    bindings[id] = held
  }

  /// Puts, replaces or (nil) removes a candidate.
  mutating func hold(_ held: HeldCandidate?, insteadOf id: BindingID) {
    for key in candidates[id]?.sections ?? [] {
      let left = (uses[key] ?? 0) - 1
      uses[key] = left > 0 ? left : nil
    }
    for key in held?.sections ?? [] { uses[key, default: 0] += 1 }
    candidates[id] = held
  }

  /// Everybody gets the bindings.
  mutating func dropCandidates() {
    for id in candidates.keys { hold(nil, insteadOf: id) }
  }

  /// Everything held, in an order in which it can be applied again.
  package var resources: [ConfigResource] {
    tenants.values.map { .tenant($0) } + accounts.values.map { .channelAccount($0) }
      + sections.values.map { .section($0.resource) }
      + bindings.values.map { .binding($0.resource) } + routes.values.map { .route($0) }
      + candidates.values.map { .candidate($0.resource) }
  }
}

extension ConfigImage {
  /// The image that a batch makes of this one, and what the node refuses of it.
  ///
  /// - Parameter unconfirmed: LAZY: bindings that may have changed though the batch does not name them.
  package func applying(
    _ batch: SubscriptionMachine.Batch,
    unconfirmed: Set<BindingID> = []
  ) -> (image: ConfigImage, rejected: [Bindery_V1_Rejection], dropped: Set<BindingID>) {
    var builder = ImageBuilder(self, isWhole: batch.isWhole)
    let dropped = unconfirmed.union(batch.invalidated)
    builder.apply(batch, dropping: dropped)
    return (builder.image, builder.refused.map(\.wire) + builder.unreadable.map(\.wire), dropped)
  }

  /// The image with what was fetched added, and what the node refuses of it.
  package func adding(
    _ fetched: Bindery_V1_Changes
  ) -> (image: ConfigImage, rejected: [Bindery_V1_Rejection]) {
    var builder = ImageBuilder(self, isWhole: false)
    builder.apply([ReadChanges(fetched)])
    return (builder.image, builder.refused.map(\.wire) + builder.unreadable.map(\.wire))
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

extension Rejection {
  package var wire: Bindery_V1_Rejection {
    var wire = Bindery_V1_Rejection()
    wire.key = key.wire
    wire.digest = digest?.data ?? Data()
    wire.code = code
    wire.message = message
    return wire
  }

  /// nil for a key that can't be read.
  init?(_ wire: Bindery_V1_Rejection) {
    do {
      key = try ResourceKey(wire: wire.key)
    } catch {
      return nil
    }
    digest = Digest(bytes: wire.digest)
    code = wire.code
    message = wire.message
  }
}

extension ReadChanges.Refusal {
  var wire: Bindery_V1_Rejection {
    var wire = Bindery_V1_Rejection()
    wire.key = key
    wire.digest = digest
    wire.code = error.code.rawValue
    wire.message = error.what
    return wire
  }
}
