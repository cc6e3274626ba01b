package import Domain
package import Wire
internal import WireMapping

/// A change of whether a tenant's agents talk. Travels on its own lane, ahead of data.
package struct TenantSwitch: Hashable, Sendable {
  package var tenantID: TenantID
  /// Revision of the commit that made it; a lower one never undoes a higher one.
  package var revision: Revision
  package var status: TenantStatus

  package init(tenantID: TenantID, revision: Revision, status: TenantStatus) {
    self.tenantID = tenantID
    self.revision = revision
    self.status = status
  }

  package init(_ tenant: TenantResource) {
    self.init(tenantID: tenant.tenantID, revision: tenant.switchRevision, status: tenant.status)
  }

  /// The switch that a commit made; nil when the resource is no tenant, or was not switched.
  init?(from before: ConfigResource?, to after: ConfigResource) {
    guard case .tenant(let tenant) = after else { return nil }
    if case .tenant(let old) = before, old.switchRevision >= tenant.switchRevision { return nil }
    if before == nil, tenant.status == .active { return nil }
    self.init(tenant)
  }
}

extension TenantSwitch {
  package var wire: Bindery_V1_Control {
    var control = Bindery_V1_Control()
    control.tenantID = tenantID.data
    control.switchRevision = revision.value
    control.status = status.wire
    return control
  }
}
