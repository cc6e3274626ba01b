package import Domain
package import Subscription
internal import Synchronization

/// Configuration of some sample tenants, with switches to turn.
package final class TestConfiguration: ConfigurationReading {
  private struct State {
    var gates: [TenantID: TenantGate] = [:]
    var inactive: Set<BindingID> = []
    var isConnected = true
  }

  package let snapshot: any ConfigurationSnapshot
  private let state = Mutex(State())

  package init(_ tenants: SampleTenant...) {
    snapshot = Snapshot(tenants: tenants)
    state.withLock { for it in tenants { $0.gates[it.tenant.tenantID] = .open } }
  }

  package func gate(_ tenant: TenantID) -> TenantGate {
    state.withLock { $0.gates[tenant] ?? .closed }
  }

  package func isActive(_ binding: BindingID) -> Bool {
    state.withLock { !$0.inactive.contains(binding) }
  }

  package var isConnected: Bool { state.withLock { $0.isConnected } }

  package func set(_ gate: TenantGate, for tenant: SampleTenant) {
    state.withLock { $0.gates[tenant.tenant.tenantID] = gate }
  }

  package func deactivate(_ tenant: SampleTenant) {
    state.withLock { _ = $0.inactive.insert(tenant.binding.binding.bindingID) }
  }

  private struct Snapshot: ConfigurationSnapshot {
    let tenants: [SampleTenant]
    let revision = Revision(7)

    func route(channel: String, key: String) -> RouteResource? {
      tenants.flatMap(\.routes).first { $0.channel == channel && $0.key == key }
    }
    func binding(_ id: BindingID) -> ResolvedBinding? {
      tenants.first { $0.binding.binding.bindingID == id }?.binding
    }
    func tenant(_ id: TenantID) -> TenantResource? {
      tenants.first { $0.tenant.tenantID == id }?.tenant
    }
    func tenant(slug: String) -> TenantResource? {
      tenants.first { $0.tenant.slug == slug }?.tenant
    }
    func channelAccount(channel: String, slug: String) -> ChannelAccountResource? {
      tenants.first { $0.account.channel == channel && $0.account.slug == slug }?.account
    }
  }
}
