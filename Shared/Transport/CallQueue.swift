/// New calls of a connection, taken in batches by its task. Belongs to the connection's loop.
///
/// As long as the budget for resets allows one read to bring calls, and no longer: the batch is taken
/// before the next read.
package final class CallQueue<Call> {
  private var calls: [Call] = []
  private var waiter: CheckedContinuation<Void, Never>?
  private var isFinished = false

  package init() {}

  package func add(_ call: Call) {
    calls.append(call)
    wake()
  }

  package func finish() {
    isFinished = true
    wake()
  }

  /// What came; empty at the end, nil when one has to wait.
  package func takeNow() -> [Call]? {
    guard !calls.isEmpty else { return isFinished ? [] : nil }
    defer { calls = [] }
    return calls
  }

  /// For one who waits; who waits in vain is woken by what came meanwhile.
  package func wait(_ continuation: CheckedContinuation<Void, Never>) {
    if calls.isEmpty, !isFinished { waiter = continuation } else { continuation.resume() }
  }

  private func wake() {
    waiter?.resume()
    waiter = nil
  }
}
