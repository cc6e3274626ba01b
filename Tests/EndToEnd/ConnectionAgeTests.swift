import Domain
import Foundation
import Scenario
import Testing

/// Connections that a control plane ends for their age cost neither a node nor a conversation anything.
@Suite(
  "Connections that grow old",
  .serialized,
  .stack(
    base: 8300,
    controlArguments: { _ in
      [
        "--connection-age-ms", "400", "--connection-age-grace-ms", "100", "--compression", "gzip",
        "--keepalive-ms", "500",
      ]
    }
  ) { stack in
    try await stack.start()
    try await stack.apply(try stack.copySample(), nodes: 2)
  }
)
struct ConnectionAgeTests {
  @Test("nodes resume on new connections, and get what is published meanwhile")
  func resume() async throws {
    let stack = try Stack.ofSuite()
    let cameBefore = count("node came", in: await stack.output(of: "bindery-control"))
    try await waitUntil("both nodes come again, twice", within: .seconds(20)) {
      count("node came", in: await stack.output(of: "bindery-control")) >= cameBefore + 4
    }
    for round in 1 ... 3 {
      let sample = try stack.copySample {
        $0.replacing("display_name: Sahayak", with: "display_name: Sahayak \(round)")
      }
      try await stack.apply(sample, nodes: 2)
    }
  }

  @Test(
    "settings that make no sense are refused by name",
    arguments: [
      (["--compression", "zip"], "compression is 'zip'; write gzip or identity"),
      (["--connection-age-ms=-1"], "connection-age-ms is '-1'"),
      (["--keepalive-ms", "soon"], "keepalive-ms is 'soon'"),
    ]
  )
  func refused(arguments: [String], says: String) async throws {
    let done = try await Completed.run(
      "bindery-control",
      path: try Stack.ofSuite().layout.program("bindery-control"),
      arguments: arguments
    )
    #expect(done.status == 64)
    #expect(done.standardError.contains(says), "\(done.standardError)")
  }

  private func count(_ text: String, in output: String) -> Int {
    output.components(separatedBy: text).count - 1
  }
}
