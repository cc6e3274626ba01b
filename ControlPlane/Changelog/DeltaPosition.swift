internal import Domain

/// How far a delta has been written. It keeps the state that it shows alive.
struct DeltaPosition: Sendable {
  let from: Revision
  let state: ConfigState
  /// LAZY: the bindings that the Invalidation names, and the Subscribe that they take into account.
  let named: [ResourceKey]
  let subscribeSequence: Int64
  private let keys: [ResourceKey]
  private(set) var number = 0
  private var index = 0

  init(
    from: Revision,
    state: ConfigState,
    keys: Set<ResourceKey>,
    named: [ResourceKey],
    subscribeSequence: Int64
  ) {
    self.from = from
    self.state = state
    self.named = named
    self.subscribeSequence = subscribeSequence
    // In an order of their own: watchers that share frames must split alike, wherever they come in.
    self.keys = keys.sorted { $0.order < $1.order }
  }

  /// Takes keys until `accept` has had enough; nil when none is left.
  func taking(_ accept: (ResourceKey) -> Bool) -> DeltaPosition? {
    var next = self
    next.number += 1
    while next.index < keys.count {
      next.index += 1
      if !accept(keys[next.index - 1]), next.index < keys.count { return next }
    }
    return nil
  }
}

extension ResourceKey {
  /// Compares by kind, owner and name.
  fileprivate var order: Order {
    switch self {
    case .tenant(let id): Order(kind: 0, owner: id, name: "")
    case .channelAccount(let id, let channel, let slug):
      Order(kind: 1, owner: id, name: "\(channel)/\(slug)")
    case .section(let id, let digest): Order(kind: 2, owner: id, name: digest.hex)
    case .binding(let id, let binding): Order(kind: 3, owner: id, name: binding.description)
    case .route(let id, let channel, let key):
      Order(kind: 4, owner: id, name: "\(channel)/\(key)")
    case .candidate(let id, let binding):
      Order(kind: 5, owner: id, name: binding.description)
    }
  }

  fileprivate struct Order: Comparable {
    var kind: Int
    var owner: TenantID?
    var name: String

    static func < (a: Self, b: Self) -> Bool {
      if a.kind != b.kind { return a.kind < b.kind }
      if a.owner != b.owner {
        guard let one = a.owner else { return true }
        guard let other = b.owner else { return false }
        return one < other
      }
      return a.name < b.name
    }
  }
}
