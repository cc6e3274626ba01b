import Foundation
import Scenario
import Testing

@Suite(.serialized) struct `The main path with the real programs` {
  @Test(.timeLimit(.minutes(5)))
  func `every step holds, and everything stops when asked`() async throws {
    let folder = FileManager.default.temporaryDirectory.appending(
      path: "bindery-e2e-\(UUID().uuidString.prefix(8))"
    )
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    let stack = Stack(layout: try .ofThisBuild(), folder: folder, ports: .init(base: 7500))
    do {
      try await stack.start()
      for step in Scenario(stack: stack).steps {
        do {
          _ = try await step.run()
        } catch {
          Issue.record("\(step.name): \(error)")
        }
      }
    } catch {
      Issue.record("everything starts: \(error)")
    }
    let faults = await stack.stopAll()
    #expect(faults.isEmpty)
    removeFolder(folder)
  }
}
