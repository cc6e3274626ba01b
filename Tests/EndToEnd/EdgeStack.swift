import Domain
import Foundation
import Scenario
import Testing

extension Trait where Self == StackTrait {
  /// Two nodes with all five tenants, of which medicly has nothing but the model over HTTP; tools and
  /// models may take half a second.
  static func edge(base: Int) -> StackTrait {
    .stack(
      base: base,
      nodeArguments: ["--model-first-token-ms", "500", "--model-stall-ms", "500"]
    ) { stack in
      try await stack.start()
      let sample = try stack.copySample {
        $0.replacing(
          "default: claude-sonnet-5-5, fallback: [simulated]",
          with: "default: claude-sonnet-5-5, fallback: []"
        )
        .replacing("timeout_ms: 8000", with: "timeout_ms: 500")
      }
      try await stack.apply(sample, nodes: 2)
    }
  }
}

extension Stack {
  /// Somebody's message over WhatsApp gets the answers that are due: proof that the node is well.
  nonisolated func expectWell(_ index: Int = 0) async throws {
    let phone = "9190\(UInt32.random(in: 10_000_000 ... 99_999_999))"
    let delivery = try WhatsAppDelivery(
      text: "namaste",
      from: phone,
      to: account(of: "sahayak"),
      id: "wamid.\(UUID().uuidString)"
    )
    #expect(try await delivery.post(to: edges[index]).status == 200)
    try await waitUntil("the reply is sent", within: .seconds(15)) {
      try await sent(to: phone).count == 1
    }
  }

  /// Waits until the nodes have told what they recorded.
  nonisolated func waitForRow(_ what: String, _ query: String) async throws {
    try await waitUntil(what, within: .seconds(15)) { try await database().count(query) > 0 }
  }
}
