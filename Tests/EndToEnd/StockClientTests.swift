import Foundation
import Scenario
import Testing

@Suite struct `A stock gRPC client` {
  /// The client is Python's grpcio with stubs made from Shared/Protos; it fails when a method of a
  /// service was not called.
  @Test(.timeLimit(.minutes(2)))
  func `calls every method of a real control plane`() async throws {
    let folder = FileManager.default.temporaryDirectory.appending(
      path: "bindery-stock-\(UUID().uuidString.prefix(8))"
    )
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    let stack = Stack(layout: try .ofThisBuild(), folder: folder, ports: .init(base: 7600))
    do {
      try await stack.startControl(["--reflection"])
      try await run("control_client.py", [stack.control], stack)
      try await run(
        "reflection_client.py",
        [stack.control, "bindery.v1.Admin", "Apply", "bindery.v1.WatchRequest"],
        stack
      )
    } catch {
      Issue.record("\(error)")
    }
    let faults = await stack.stopAll()
    #expect(faults.isEmpty)
    removeFolder(folder)
  }

  private func run(_ name: String, _ arguments: [String], _ stack: Stack) async throws {
    let client = try await Completed.run(
      name,
      path: stack.layout.repository.appending(path: ".bindery/python/bin/python").path,
      arguments: [
        stack.layout.repository.appending(path: "Tests/Fixtures/python/\(name)").path
      ] + arguments,
      within: .seconds(90)
    )
    #expect(client.status == 0, "\(client.standardOutput)\(client.standardError)")
    #expect(client.standardOutput.contains(" 0 failed"))
  }
}
