package import Domain
package import Foundation
internal import Synchronization

/// Compiled tiers of versions that are stored, so that a binding is compiled without reading and
/// compiling the tiers that did not change. Bounded by the size of the specs.
///
/// A version never changes; what keeps two stores apart that gave one version twice (one of them was
/// restored) is the time of the change.
package final class TierCache: Sendable {
  struct Compiled: Sendable {
    var human: CompiledTiers.Tier<HumanSpec>?
    var team: CompiledTiers.Tier<TeamSpec>?
    var agent: CompiledTiers.Tier<AgentSpec>?
    let object: CompiledObject

    var stored: StoredObject? { human?.stored ?? team?.stored ?? agent?.stored }
  }

  private struct Entry: Sendable {
    let compiled: Compiled
    let bytes: Int
    var isUsed = true
  }

  private struct State {
    var entries: [UUID: Entry] = [:]
    /// In the order in which they came; one that was used since goes back to the end.
    var order: [UUID] = []
    var next = 0
    var bytes = 0
  }

  private let state = Mutex(State())
  private let maxBytes: Int

  /// - Parameter maxBytes: of compiled sections; what is kept of a tier is some times its section.
  package init(maxBytes: Int = 64 << 20) { self.maxBytes = maxBytes }

  /// The stored object of a compiled tier; nil when it is not there, or of another version.
  package func stored(_ id: UUID, version: Int32, updatedAt: Date) -> StoredObject? {
    state.withLock { state in
      guard let stored = state.entries[id]?.compiled.stored, stored.version == version,
        stored.updatedAt == updatedAt
      else { return nil }
      return stored
    }
  }

  func tier(of object: StoredObject) -> Compiled? {
    state.withLock { state in
      guard let found = state.entries[object.id]?.compiled, let stored = found.stored,
        stored.version == object.version, stored.updatedAt == object.updatedAt
      else { return nil }
      state.entries[object.id]?.isUsed = true
      return found
    }
  }

  /// Keeps a sound tier; one with faults is compiled each time.
  func keep<Spec: Sendable>(_ tier: CompiledTiers.Tier<Spec>, _ object: CompiledObject) {
    guard tier.digest != nil else { return }
    let compiled = Compiled(
      human: tier as? CompiledTiers.Tier<HumanSpec>,
      team: tier as? CompiledTiers.Tier<TeamSpec>,
      agent: tier as? CompiledTiers.Tier<AgentSpec>,
      object: object
    )
    let bytes = object.resources.reduce(256) { bytes, resource in
      guard case .section(let section) = resource else { return bytes }
      return bytes + section.content.utf8.count
    }
    state.withLock { state in
      let id = tier.stored.id
      if let old = state.entries[id] {
        state.bytes -= old.bytes
      } else {
        state.order.append(id)
      }
      state.entries[id] = Entry(compiled: compiled, bytes: bytes)
      state.bytes += bytes
      evict(&state)
    }
  }

  /// Second chance: what was used since it was last looked at stays once more.
  private func evict(_ state: inout State) {
    while state.bytes > maxBytes, state.entries.count > 1 {
      if state.next >= state.order.count { state.next = 0 }
      let id = state.order[state.next]
      if state.entries[id]?.isUsed == true {
        state.entries[id]?.isUsed = false
        state.next += 1
        continue
      }
      state.bytes -= state.entries.removeValue(forKey: id)?.bytes ?? 0
      if let last = state.order.popLast(), state.next < state.order.count {
        state.order[state.next] = last
      }
    }
  }
}
