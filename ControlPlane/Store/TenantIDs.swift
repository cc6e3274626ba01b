internal import Domain
internal import Synchronization

/// The ids of tenants that were asked for lately. A tenant is never deleted and keeps its id; but the
/// database may be put back, so whoever relies on one of these has the database check it.
final class TenantIDs: Sendable {
  private struct State {
    var ids: [String: TenantID] = [:]
    var slugs: [TenantID: String] = [:]
  }

  private let state = Mutex(State())
  private let limit: Int

  init(limit: Int = 10_000) { self.limit = limit }

  /// The tenants of these slugs and ids; nil unless all of them are known.
  func known(_ slugs: Set<String>, _ ids: Set<TenantID>) -> [String: TenantID]? {
    state.withLock { state in
      var found: [String: TenantID] = [:]
      for slug in slugs {
        guard let id = state.ids[slug] else { return nil }
        found[slug] = id
      }
      for id in ids {
        guard let slug = state.slugs[id] else { return nil }
        found[slug] = id
      }
      return found
    }
  }

  func keep(_ found: [String: TenantID]) {
    state.withLock { state in
      if state.ids.count + found.count > limit { state = State() }
      for (slug, id) in found.prefix(limit) {
        if let old = state.ids.updateValue(id, forKey: slug), old != id { state.slugs[old] = nil }
        state.slugs[id] = slug
      }
    }
  }

  func forget() { state.withLock { $0 = State() } }
}
