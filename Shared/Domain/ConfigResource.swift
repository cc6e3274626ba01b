/// One thing that nodes hold: what a commit puts or removes.
package enum ConfigResource: Hashable, Sendable, Codable {
  case tenant(TenantResource)
  case channelAccount(ChannelAccountResource)
  case section(SectionResource)
  case binding(BindingResource)
  case route(RouteResource)
  case candidate(CandidateResource)

  package var key: ResourceKey {
    switch self {
    case .tenant(let it): .tenant(it.tenantID)
    case .channelAccount(let it): .channelAccount(it.tenantID, channel: it.channel, slug: it.slug)
    case .section(let it): .section(it.tenantID, it.digest)
    case .binding(let it): .binding(it.tenantID, it.bindingID)
    case .route(let it): .route(it.tenantID, channel: it.channel, key: it.key)
    case .candidate(let it): .candidate(it.tenantID, it.bindingID)
    }
  }
}

/// Names a resource; the tenant stands in it so that filters need not look further.
package enum ResourceKey: Hashable, Sendable, Codable {
  case tenant(TenantID)
  case channelAccount(TenantID, channel: String, slug: String)
  /// Platform sections have no tenant.
  case section(TenantID?, Digest)
  case binding(TenantID, BindingID)
  case route(TenantID, channel: String, key: String)
  /// By the binding that it stands in for.
  case candidate(TenantID, BindingID)

  package var tenantID: TenantID? {
    switch self {
    case .tenant(let id), .channelAccount(let id, _, _), .binding(let id, _), .route(let id, _, _),
      .candidate(let id, _):
      id
    case .section(let id, _): id
    }
  }
}

package struct TenantResource: Hashable, Sendable, Codable {
  package var tenantID: TenantID
  package var slug: String
  package var displayName: String
  package var status: TenantStatus
  /// Revision of the last switch; a lower one never undoes a higher one.
  package var switchRevision: Revision
  package var stalePolicy: StalePolicy
  package var pausedPolicy: PausedPolicy
  package var pausedMessage: LocalizedText

  package init(
    tenantID: TenantID,
    slug: String,
    displayName: String,
    status: TenantStatus,
    switchRevision: Revision,
    stalePolicy: StalePolicy,
    pausedPolicy: PausedPolicy,
    pausedMessage: LocalizedText
  ) {
    self.tenantID = tenantID
    self.slug = slug
    self.displayName = displayName
    self.status = status
    self.switchRevision = switchRevision
    self.stalePolicy = stalePolicy
    self.pausedPolicy = pausedPolicy
    self.pausedMessage = pausedMessage
  }
}

package struct ChannelAccountResource: Hashable, Sendable, Codable {
  package var tenantID: TenantID
  /// "whatsapp".
  package var channel: String
  /// Unique over all tenants: it stands in the webhook's path.
  package var slug: String
  package var phoneNumberID: String
  /// Digits only.
  package var displayNumber: String
  /// References, never values.
  package var appSecretRef: String
  package var verifyTokenRef: String
  package var accessTokenRef: String

  package init(
    tenantID: TenantID,
    channel: String,
    slug: String,
    phoneNumberID: String,
    displayNumber: String,
    appSecretRef: String,
    verifyTokenRef: String,
    accessTokenRef: String
  ) {
    self.tenantID = tenantID
    self.channel = channel
    self.slug = slug
    self.phoneNumberID = phoneNumberID
    self.displayNumber = displayNumber
    self.appSecretRef = appSecretRef
    self.verifyTokenRef = verifyTokenRef
    self.accessTokenRef = accessTokenRef
  }
}

package enum SectionKind: String, Hashable, Sendable, Codable {
  case platform
  case human
  case team
  case agent
}

/// A compiled tier. Immutable: the digest is its name.
package struct SectionResource: Hashable, Sendable, Codable {
  /// nil: platform.
  package var tenantID: TenantID?
  package var digest: Digest
  package var kind: SectionKind
  /// RFC 8785 canonical JSON of `PlatformSection`, `HumanSection`, `TeamSection` or `AgentSection`.
  package var content: String

  package init(tenantID: TenantID?, digest: Digest, kind: SectionKind, content: String) {
    self.tenantID = tenantID
    self.digest = digest
    self.kind = kind
    self.content = content
  }
}

package struct BindingResource: Hashable, Sendable, Codable {
  package var tenantID: TenantID
  package var bindingID: BindingID
  package var digest: Digest
  /// RFC 8785 canonical JSON of `CompiledBinding`.
  package var content: String
  package var sectionDigests: [Digest]
  /// Read live, like a tenant's status.
  package var isActive: Bool

  package init(
    tenantID: TenantID,
    bindingID: BindingID,
    digest: Digest,
    content: String,
    sectionDigests: [Digest],
    isActive: Bool
  ) {
    self.tenantID = tenantID
    self.bindingID = bindingID
    self.digest = digest
    self.content = content
    self.sectionDigests = sectionDigests
    self.isActive = isActive
  }
}

package struct RouteResource: Hashable, Sendable, Codable {
  /// "whatsapp" or "web".
  package var channel: String
  /// Digits only, or lower-case punycode host.
  package var key: String
  package var tenantID: TenantID
  package var bindingID: BindingID

  package init(channel: String, key: String, tenantID: TenantID, bindingID: BindingID) {
    self.channel = channel
    self.key = key
    self.tenantID = tenantID
    self.bindingID = bindingID
  }
}
