internal import GRPCCore
internal import Synchronization

/// Lets so many calls of one kind run at once, whoever makes them: each holds much memory, or a
/// transaction, for long. More are refused at once, so that nobody waits without knowing.
final class CallGate: Sendable {
  private let count = Mutex(0)
  private let limit: Int
  private let what: String

  /// - Parameter what: the calls, for the refusal.
  init(limit: Int, what: String) {
    self.limit = limit
    self.what = what
  }

  /// - Throws: `RPCError` of code `resourceExhausted`; what `body` throws.
  func pass<T>(_ body: () async throws -> T) async throws -> T {
    let isIn = count.withLock { count in
      guard count < limit else { return false }
      count += 1
      return true
    }
    guard isIn else {
      throw RPCError(
        code: .resourceExhausted,
        message: "\(limit) \(what) run already at this control plane; try again when one has ended"
      )
    }
    defer { count.withLock { $0 -= 1 } }
    return try await body()
  }
}
