import Changelog
import Domain
import Foundation
import Subscription

extension Checker {
  /// A node holds one revision whole, but for what it refuses, which is in its last good form.
  func holds(_ node: Node, _ sim: Simulation) throws {
    let image = node.state.image
    guard let cursor = image.cursor,
      let (line, tenants) = sim.meaning(of: cursor.incarnation), line.holds(cursor.revision)
    else {
      throw Violation(
        rule: .wholeRevision,
        what: "node \(node.number) stands at \(image.revision), where no store ever was"
      )
    }
    let scope = WatchScope(mode: node.scope.mode, tenants: tenants)
    let whole = line.whole(at: cursor.revision).filter { scope.admits($0.key.tenantID) }
    var held: StoreLine.Whole = [:]
    for resource in image.resources { held[resource.key] = resource }
    func fail(_ what: String) -> Violation {
      Violation(rule: .wholeRevision, what: "node \(node.number) at \(cursor.revision): \(what)")
    }
    for key in held.keys where !scope.admits(key.tenantID) {
      throw Violation(rule: .scope, what: "node \(node.number) holds \(key)")
    }
    var needed: Set<ResourceKey> = []
    var mayHold: Set<ResourceKey> = []
    for (key, resource) in whole {
      switch resource {
      case .section: mayHold.insert(key)
      case .binding(let binding): try check(binding, held[key], node, sim)
      case .candidate: continue
      case .tenant, .channelAccount, .route:
        guard held[key] == resource else { throw fail("\(key) is not what it was") }
      }
    }
    for (key, resource) in held {
      switch resource {
      case .section: continue
      case .binding(let binding):
        guard whole[key] != nil else { throw fail("\(key) was removed") }
        for digest in binding.sectionDigests {
          let owned = ResourceKey.section(binding.tenantID, digest)
          needed.insert(held[owned] == nil ? .section(nil, digest) : owned)
        }
      case .candidate(let candidate):
        for digest in candidate.sectionDigests {
          let owned = ResourceKey.section(candidate.tenantID, digest)
          needed.insert(held[owned] == nil ? .section(nil, digest) : owned)
        }
      case .tenant, .channelAccount, .route:
        guard whole[key] != nil else { throw fail("\(key) was removed") }
      }
    }
    try checkRollouts(node, whole, held)
    if let missing = needed.first(where: { held[$0] == nil }) {
      throw fail("\(missing) is missing")
    }
    for (key, resource) in held {
      guard case .section = resource, !needed.contains(key) else { continue }
      guard mayHold.contains(key) else { throw fail("\(key) is of no use") }
    }
  }

  private func check(
    _ binding: BindingResource,
    _ held: ConfigResource?,
    _ node: Node,
    _ sim: Simulation
  ) throws {
    let key = ResourceKey.binding(binding.tenantID, binding.bindingID)
    let image = node.state.image
    func fail(_ what: String) -> Violation {
      Violation(rule: .wholeRevision, what: "node \(node.number) at \(image.revision): \(what)")
    }
    guard case .binding(let found)? = held else {
      let isFetched = node.scope.mode == .lazy
      guard isFetched || WorldActions.isPoison(binding) else { throw fail("\(key) is missing") }
      guard isFetched || image.rejections[key]?.digest == binding.digest else {
        throw Violation(
          rule: .rejection,
          what: "node \(node.number) does not say it refuses \(key)"
        )
      }
      return
    }
    guard found.isActive == binding.isActive else { throw fail("\(key) is on or off, wrongly") }
    if found == binding { return }
    guard WorldActions.isPoison(binding) else { throw fail("\(key) is of another revision") }
    guard !WorldActions.isPoison(found),
      sim.lines.contains(where: { $0.ever(key, has: found.digest) })
    else { throw fail("\(key) is in a form that never was") }
    guard image.rejections[key]?.digest == binding.digest else {
      throw Violation(rule: .rejection, what: "node \(node.number) does not say it refuses \(key)")
    }
  }
}

extension StoreLine {
  /// Whether a binding ever had this digest.
  func ever(_ key: ResourceKey, has digest: Digest) -> Bool {
    wholes.contains { whole in
      if case .binding(let binding)? = whole[key] { binding.digest == digest } else { false }
    }
  }
}
