internal import Domain
internal import Foundation
internal import Synchronization

/// What the bindings of one publish compiled to, so that its next plan, after somebody else was
/// faster, compiles only those that have another input by then. It lives as long as that publish.
package final class BindingMemo: Sendable {
  private struct Input: Equatable, Sendable {
    struct Tier: Equatable, Sendable {
      let id: UUID
      let version: Int32
      let digest: Digest?
    }

    let version: Int32
    let spec: JSONValue
    let tiers: [Tier]
  }

  private let made = Mutex<[UUID: (input: Input, compiled: CompiledObject)]>([:])

  package init() {}

  func binding(_ object: StoredObject, _ tiers: CompiledTiers) -> CompiledObject? {
    guard let input = Self.input(object, tiers),
      let found = made.withLock({ $0[object.id] }), found.input == input
    else { return nil }
    return found.compiled
  }

  /// Keeps what is sound.
  func keep(_ object: StoredObject, _ tiers: CompiledTiers, _ compiled: CompiledObject) {
    guard compiled.digest != nil, let input = Self.input(object, tiers) else { return }
    made.withLock { $0[object.id] = (input, compiled) }
  }

  private static func input(_ object: StoredObject, _ tiers: CompiledTiers) -> Input? {
    func slug(_ key: String) -> String { object.spec[key]?.stringValue ?? "" }
    guard let human = tiers.humans[slug("human")], let team = tiers.teams[slug("team")],
      let agent = tiers.agents[slug("agent")]
    else { return nil }
    return Input(
      version: object.version,
      spec: object.spec,
      tiers: [
        Input.Tier(id: human.stored.id, version: human.stored.version, digest: human.digest),
        Input.Tier(id: team.stored.id, version: team.stored.version, digest: team.digest),
        Input.Tier(id: agent.stored.id, version: agent.stored.version, digest: agent.digest),
      ]
    )
  }
}
