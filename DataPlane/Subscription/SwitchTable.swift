package import Domain
package import Foundation

/// The switches that a node has heard of, by tenant: the highest of each, whatever came first.
///
/// Revisions of different stores can't be compared: a switch of another store than the one held is from
/// where the node has been sent since, and counts.
package struct SwitchTable: Hashable, Sendable, Codable {
  package struct Entry: Hashable, Sendable, Codable {
    package var revision: Revision
    package var status: TenantStatus
    /// The store of the revision; nil for that of the table.
    var incarnation: UUID?
    /// Of a store that was left: counts only for a copy of that store's configuration, should the node
    /// boot from one.
    var isFormer: Bool?
  }

  /// The store of the configuration that was applied last.
  private(set) var incarnation: UUID?
  private var entries: [String: Entry] = [:]

  package init() {}

  package subscript(_ tenant: TenantID) -> Entry? { entries[tenant.description] }

  /// What is in force for a tenant whose configuration, of a store, says `resource`.
  package func status(of resource: TenantResource, in store: UUID?) -> TenantStatus {
    guard let made = self[resource.tenantID] else { return resource.status }
    if (made.incarnation ?? incarnation) == store {
      return made.revision <= resource.switchRevision ? resource.status : made.status
    }
    // The store that comes next may stop a tenant at once; that it goes on is told by its data.
    return made.isFormer == true || made.status == .active ? resource.status : made.status
  }

  /// The revision of a tenant's switch in a store; nil when none of that store counts.
  func revision(for tenant: TenantID, of store: UUID) -> Revision? {
    guard let made = self[tenant], (made.incarnation ?? incarnation) == store else { return nil }
    return made.revision
  }

  /// Takes in a switch; false when the tenant has a higher one of the same store, or the same.
  mutating func take(
    _ tenant: TenantID,
    _ revision: Revision,
    _ status: TenantStatus,
    of store: UUID
  ) -> Bool {
    if let known = self[tenant] {
      let isOfStore = (known.incarnation ?? incarnation) == store
      if isOfStore, known.revision >= revision {
        guard known.isFormer == true else { return false }
        entries[tenant.description]?.isFormer = nil
        return true
      }
      // What stops a tenant is kept until the store that lets it go on has become this table's.
      if !isOfStore, status == .active, incarnation != store { return false }
    }
    entries[tenant.description] = Entry(revision: revision, status: status, incarnation: store)
    return true
  }

  /// Takes in the switches that stand in data of a store, which becomes the table's. Tells whether
  /// anything changed.
  mutating func take(_ tenants: some Sequence<TenantResource>, of store: UUID) -> Bool {
    var hasChanged = false
    if incarnation != store {
      entries = entries.filter { $0.value.isFormer != true }
      for (tenant, entry) in entries where (entry.incarnation ?? incarnation) != store {
        entries[tenant]?.incarnation = entry.incarnation ?? incarnation
        entries[tenant]?.isFormer = true
      }
      incarnation = store
      hasChanged = true
    }
    for tenant in tenants where tenant.switchRevision > .zero {
      if take(tenant.tenantID, tenant.switchRevision, tenant.status, of: store) {
        hasChanged = true
      }
    }
    return hasChanged
  }
}
