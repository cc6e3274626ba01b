package import Domain
internal import Foundation
package import Wire

extension TenantResource {
  package var wire: Bindery_V1_Tenant {
    var wire = Bindery_V1_Tenant()
    wire.tenantID = tenantID.data
    wire.slug = slug
    wire.displayName = displayName
    wire.status = status.wire
    wire.switchRevision = switchRevision.value
    wire.stalePolicy = stalePolicy == .serve ? .serve : .refuse
    wire.pausedPolicy = pausedPolicy == .hold ? .hold : .refuse
    wire.pausedMessage = pausedMessage
    return wire
  }

  package init(wire: Bindery_V1_Tenant) throws(MappingError) {
    let stalePolicy: StalePolicy
    switch wire.stalePolicy {
    case .serve: stalePolicy = .serve
    case .refuse: stalePolicy = .refuse
    case .unspecified, .UNRECOGNIZED: throw MappingError(.unsupported, "stale_policy")
    }
    let pausedPolicy: PausedPolicy
    switch wire.pausedPolicy {
    case .hold: pausedPolicy = .hold
    case .refuse: pausedPolicy = .refuse
    case .unspecified, .UNRECOGNIZED: throw MappingError(.unsupported, "paused_policy")
    }
    self.init(
      tenantID: try .read(wire.tenantID, "tenant_id"),
      slug: wire.slug,
      displayName: wire.displayName,
      status: try TenantStatus(wire: wire.status),
      switchRevision: Revision(wire.switchRevision),
      stalePolicy: stalePolicy,
      pausedPolicy: pausedPolicy,
      pausedMessage: wire.pausedMessage
    )
  }
}

extension TenantStatus {
  package var wire: Bindery_V1_TenantStatus {
    switch self {
    case .active: .active
    case .paused: .paused
    case .archived: .archived
    }
  }

  package init(wire: Bindery_V1_TenantStatus) throws(MappingError) {
    switch wire {
    case .active: self = .active
    case .paused: self = .paused
    case .archived: self = .archived
    case .unspecified, .UNRECOGNIZED: throw MappingError(.unsupported, "tenant status")
    }
  }
}

extension ChannelAccountResource {
  package var wire: Bindery_V1_ChannelAccount {
    var wire = Bindery_V1_ChannelAccount()
    wire.tenantID = tenantID.data
    wire.channel = channel
    wire.slug = slug
    wire.phoneNumberID = phoneNumberID
    wire.displayNumber = displayNumber
    wire.appSecretRef = appSecretRef
    wire.verifyTokenRef = verifyTokenRef
    wire.accessTokenRef = accessTokenRef
    return wire
  }

  package init(wire: Bindery_V1_ChannelAccount) throws(MappingError) {
    self.init(
      tenantID: try .read(wire.tenantID, "tenant_id"),
      channel: wire.channel,
      slug: wire.slug,
      phoneNumberID: wire.phoneNumberID,
      displayNumber: wire.displayNumber,
      appSecretRef: wire.appSecretRef,
      verifyTokenRef: wire.verifyTokenRef,
      accessTokenRef: wire.accessTokenRef
    )
  }
}

extension SectionResource {
  package var wire: Bindery_V1_Section {
    var wire = Bindery_V1_Section()
    wire.tenantID = tenantID?.data ?? Data()
    wire.digest = digest.data
    wire.content = Data(content.utf8)
    switch kind {
    case .platform: wire.kind = .platform
    case .human: wire.kind = .human
    case .team: wire.kind = .team
    case .agent: wire.kind = .agent
    }
    return wire
  }

  package init(wire: Bindery_V1_Section) throws(MappingError) {
    let kind: SectionKind
    switch wire.kind {
    case .platform: kind = .platform
    case .human: kind = .human
    case .team: kind = .team
    case .agent: kind = .agent
    case .unspecified, .UNRECOGNIZED: throw MappingError(.unsupported, "section kind")
    }
    guard let content = String(validating: wire.content, as: UTF8.self) else {
      throw MappingError(.malformed, "section content")
    }
    self.init(
      tenantID: wire.tenantID.isEmpty ? nil : try .read(wire.tenantID, "tenant_id"),
      digest: try .read(wire.digest, "digest"),
      kind: kind,
      content: content
    )
  }
}

extension BindingResource {
  package var wire: Bindery_V1_Binding {
    var wire = Bindery_V1_Binding()
    wire.tenantID = tenantID.data
    wire.bindingID = bindingID.data
    wire.digest = digest.data
    wire.content = Data(content.utf8)
    wire.sectionDigests = sectionDigests.map(\.data)
    wire.isActive = isActive
    return wire
  }

  package init(wire: Bindery_V1_Binding) throws(MappingError) {
    var sections: [Digest] = []
    for digest in wire.sectionDigests { sections.append(try .read(digest, "section_digests")) }
    guard let content = String(validating: wire.content, as: UTF8.self) else {
      throw MappingError(.malformed, "binding content")
    }
    self.init(
      tenantID: try .read(wire.tenantID, "tenant_id"),
      bindingID: try .read(wire.bindingID, "binding_id"),
      digest: try .read(wire.digest, "digest"),
      content: content,
      sectionDigests: sections,
      isActive: wire.isActive
    )
  }
}

extension RouteResource {
  package var wire: Bindery_V1_Route {
    var wire = Bindery_V1_Route()
    wire.channel = channel
    wire.key = key
    wire.tenantID = tenantID.data
    wire.bindingID = bindingID.data
    return wire
  }

  package init(wire: Bindery_V1_Route) throws(MappingError) {
    self.init(
      channel: wire.channel,
      key: wire.key,
      tenantID: try .read(wire.tenantID, "tenant_id"),
      bindingID: try .read(wire.bindingID, "binding_id")
    )
  }
}
