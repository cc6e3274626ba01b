package import Store
internal import Synchronization

/// Whether this replica's compiler is in force, and how far the stored bindings follow it.
package final class CompilerStatus: Sendable {
  private struct State {
    var claim: CompilerClaim?
    var failures = 0
    var recompiled = 0
  }

  private let state = Mutex(State())

  package init() {}

  /// The last claim; nil before the first.
  package var claim: CompilerClaim? { state.withLock { $0.claim } }

  package var isInForce: Bool {
    if case .inForce = claim { true } else { false }
  }

  /// Bindings that keep an older form, and those that this replica has compiled anew.
  package var counts: (failures: Int, recompiled: Int) {
    state.withLock { ($0.failures, $0.recompiled) }
  }

  /// The generation that this replica publishes.
  ///
  /// - Throws: `StoreError.compilerSuperseded`.
  func generation() throws -> Int32? {
    switch claim {
    case .inForce(let generation, _): return generation
    case .superseded(let newest):
      throw StoreError.compilerSuperseded(by: newest)
    case nil: return nil
    }
  }

  func set(_ claim: CompilerClaim) { state.withLock { $0.claim = claim } }
  func set(failures: Int) { state.withLock { $0.failures = failures } }
  func addRecompiled(_ count: Int) { state.withLock { $0.recompiled += count } }
}
