package import Domain
package import Foundation
package import Wire

extension Bindery_V1_Changes {
  /// Adds a resource that is to be put.
  package mutating func put(_ resource: ConfigResource) {
    switch resource {
    case .tenant(let it): tenants.append(it.wire)
    case .channelAccount(let it): channelAccounts.append(it.wire)
    case .section(let it): sections.append(it.wire)
    case .binding(let it): bindings.append(it.wire)
    case .route(let it): routes.append(it.wire)
    case .candidate(let it): candidates.append(it.wire)
    }
  }

  /// Adds a resource that is to be removed.
  package mutating func remove(_ key: ResourceKey) { removed.append(key.wire) }
}

/// `Changes` as read by whoever applies them: what can't be read stands apart, and does not keep
/// the rest from being applied.
package struct ReadChanges: Sendable {
  package var resources: [ConfigResource] = []
  package var removed: [ResourceKey] = []
  package var refused: [Refusal] = []

  /// Something that could not be read.
  package struct Refusal: Sendable {
    /// As told by the peer, may be incomplete.
    package var key: Bindery_V1_ResourceKey
    /// As told by the peer; empty where the kind has none.
    package var digest: Data
    package var error: MappingError
  }

  package init(_ changes: Bindery_V1_Changes) {
    for it in changes.tenants {
      read(.tenant, it.tenantID, uuidText(it.tenantID)) { () throws(MappingError) in
        try .tenant(TenantResource(wire: it))
      }
    }
    for it in changes.channelAccounts {
      read(.channelAccount, it.tenantID, "\(uuidText(it.tenantID))/\(it.channel)/\(it.slug)") {
        () throws(MappingError) in
        try .channelAccount(ChannelAccountResource(wire: it))
      }
    }
    for it in changes.sections {
      let name = it.digest.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
      read(.section, it.tenantID, "\(uuidText(it.tenantID))/\(name)", digest: it.digest) {
        () throws(MappingError) in
        try .section(SectionResource(wire: it))
      }
    }
    for it in changes.bindings {
      read(.binding, it.tenantID, uuidText(it.bindingID), digest: it.digest) {
        () throws(MappingError) in
        try .binding(BindingResource(wire: it))
      }
    }
    for it in changes.routes {
      read(.route, it.tenantID, "\(it.channel)/\(it.key)") { () throws(MappingError) in
        try .route(RouteResource(wire: it))
      }
    }
    for it in changes.candidates {
      read(.candidate, it.tenantID, uuidText(it.bindingID), digest: it.digest) {
        () throws(MappingError) in
        try .candidate(CandidateResource(wire: it))
      }
    }
    for key in changes.removed {
      do {
        removed.append(try ResourceKey(wire: key))
      } catch {
        refused.append(Refusal(key: key, digest: Data(), error: error))
      }
    }
  }

  private mutating func read(
    _ kind: Bindery_V1_ResourceKind,
    _ tenant: Data,
    _ key: String,
    digest: Data = Data(),
    _ make: () throws(MappingError) -> ConfigResource
  ) {
    do {
      resources.append(try make())
    } catch {
      var name = Bindery_V1_ResourceKey()
      name.kind = kind
      name.key = key
      name.tenantID = tenant
      refused.append(Refusal(key: name, digest: digest, error: error))
    }
  }
}

/// Lower-case hyphenated form of 16 bytes; the nil UUID for none; empty for any other count.
private func uuidText(_ data: Data) -> String {
  TenantID(bytes: data.isEmpty ? Data(count: 16) : data)?.description ?? ""
}
