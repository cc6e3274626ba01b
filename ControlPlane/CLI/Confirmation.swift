internal import Domain
internal import Foundation
internal import GRPCCore
internal import Wire
internal import WireServices

extension ConnectionOptions.AdminClient {
  /// Waits until every live node has confirmed a revision or, with a tenant, the switch made at it.
  ///
  /// - Parameter timeout: In seconds; after it the answer names who is missing.
  func confirmation(
    of revision: Int64,
    tenant: String = "",
    timeout: Int
  ) async throws -> Bindery_V1_WaitResponse? {
    var waiting = Bindery_V1_WaitRequest()
    waiting.revision = revision
    waiting.tenant = tenant
    waiting.timeoutMs = Int64(timeout) * 1000
    return try await wait(waiting) { response in
      var last: Bindery_V1_WaitResponse?
      for try await progress in response.messages { last = progress }
      return last
    }
  }
}

extension Bindery_V1_WaitResponse {
  var json: JSONValue {
    [
      "confirmed": .array(
        confirmed.map {
          [
            "node": .string($0.nodeID), "after_ms": .double(Double($0.afterUs) / 1000),
            "by_lease": .bool($0.byLease),
          ]
        }
      ),
      "unconfirmed": .array(unconfirmed.map { .string($0) }),
    ]
  }

  func printTable() {
    var table = Table([("NODE", .left), ("AFTER", .right), ("", .left)])
    for node in confirmed {
      table.add([
        node.nodeID, milliseconds(node.afterUs), node.byLease ? "its lease has run out" : "",
      ])
    }
    for line in table.lines { Terminal.print(line) }
  }

  /// - Throws: `ExitStatus.unconfirmed` when a live node has not confirmed in time.
  func requireAll(_ output: OutputFormat) throws {
    guard !unconfirmed.isEmpty else { return }
    if output == .table {
      Terminal.error("unconfirmed: \(unconfirmed.joined(separator: ", "))")
    }
    throw ExitStatus.unconfirmed
  }

  private func milliseconds(_ microseconds: Int64) -> String {
    "\((Double(microseconds) / 1000).formatted(.number.precision(.fractionLength(1)))) ms"
  }
}
