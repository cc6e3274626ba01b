internal import Domain
internal import Foundation

/// The switches that a node has heard of, by tenant: the highest of each, whatever came first.
struct SwitchTable: Hashable, Sendable, Codable {
  struct Entry: Hashable, Sendable, Codable {
    var revision: Revision
    var status: TenantStatus
  }

  /// The store whose revisions these are; another store's say nothing about these.
  private(set) var incarnation: UUID?
  private var entries: [String: Entry] = [:]

  subscript(_ tenant: TenantID) -> Entry? { entries[tenant.description] }

  /// Takes in a switch; false when the tenant has a higher one, or the same.
  mutating func take(_ tenant: TenantID, _ revision: Revision, _ status: TenantStatus) -> Bool {
    if let known = self[tenant], known.revision >= revision { return false }
    entries[tenant.description] = Entry(revision: revision, status: status)
    return true
  }

  /// Takes in the switches that stand in data.
  mutating func take(_ tenants: some Sequence<TenantResource>) -> Bool {
    tenants.reduce(false) { changed, tenant in
      guard tenant.switchRevision > .zero else { return changed }
      return take(tenant.tenantID, tenant.switchRevision, tenant.status) || changed
    }
  }

  /// Moves to a store; what was known of another one is forgotten.
  mutating func belong(to incarnation: UUID) -> Bool {
    if self.incarnation == incarnation { return false }
    if self.incarnation != nil { entries = [:] }
    self.incarnation = incarnation
    return true
  }
}
