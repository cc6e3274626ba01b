import Domain
import Foundation
import Scenario
import Testing

/// One Bindery of real processes for all tests of a suite, each of which finds it in `Stack.running`.
struct StackTrait: SuiteTrait, TestScoping {
  var base: Int
  var nodeArguments: [String]
  /// Flags of the control plane, from the suite's folder.
  var controlArguments: @Sendable (URL) throws -> [String]
  /// Starts what the suite needs.
  var start: @Sendable (Stack) async throws -> Void

  func provideScope(
    for test: Test,
    testCase: Test.Case?,
    performing body: @Sendable @concurrent () async throws -> Void
  ) async throws {
    let folder = FileManager.default.temporaryDirectory.appending(
      path: "bindery-\(base)-\(UUID().uuidString.prefix(8))"
    )
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    var ports = Stack.Ports(base: base)
    ports.tools = base + 83
    let stack = Stack(
      layout: try .ofThisBuild(),
      folder: folder,
      ports: ports,
      nodeArguments: nodeArguments,
      controlArguments: try controlArguments(folder)
    )
    do {
      try await start(stack)
      try await Stack.$running.withValue(stack) { try await body() }
    } catch {
      Issue.record("\(error)")
    }
    let killed = await stack.stopAll()
    #expect(killed.isEmpty)
    removeFolder(folder)
  }
}

extension Trait where Self == StackTrait {
  /// - Parameter base: First of its ports: one base for each suite.
  static func stack(
    base: Int,
    nodeArguments: [String] = [],
    controlArguments: @escaping @Sendable (URL) throws -> [String] = { _ in [] },
    start: @escaping @Sendable (Stack) async throws -> Void
  ) -> StackTrait {
    StackTrait(
      base: base,
      nodeArguments: nodeArguments,
      controlArguments: controlArguments,
      start: start
    )
  }
}

extension Stack {
  @TaskLocal static var running: Stack?

  /// The suite's own.
  static func ofSuite() throws -> Stack { try #require(running) }

  /// Copies the sample, with the tools at this stack's port, so that several stacks can run at once.
  ///
  /// - Parameter edit: Changes the text of each file.
  nonisolated func copySample(_ edit: (String) -> String = { $0 }) throws -> URL {
    let target = folder.appending(path: "sample")
    for tenant in Stack.tenants {
      let from = layout.sample.appending(path: tenant)
      let to = target.appending(path: tenant)
      try FileManager.default.createDirectory(at: to, withIntermediateDirectories: true)
      for name in try FileManager.default.contentsOfDirectory(atPath: from.path) {
        let text = String(decoding: try Data(contentsOf: from.appending(path: name)), as: UTF8.self)
        let edited = edit(text.replacing("127.0.0.1:7480", with: "127.0.0.1:\(ports.tools)"))
        try Data(edited.utf8).write(to: to.appending(path: name))
      }
    }
    return target
  }

  /// Applies a folder or file, and waits until so many nodes serve the new revision.
  nonisolated func apply(_ path: URL, nodes count: Int, _ options: [String] = []) async throws {
    let answer = try await tool().json(["apply", "-y", "-f", path.path] + options)
    try require(answer["applied"] == true, "not applied: \(answer)")
    try await waitUntil("\(count) nodes have it", within: .seconds(20)) {
      let nodes = try await tool().json(["nodes"])["nodes"]?.arrayValue ?? []
      return nodes.count { $0["revision"] == answer["revision"] } == count
    }
  }

  /// Writes a file of configuration below the stack's folder.
  nonisolated func write(_ text: String, to name: String) throws -> URL {
    let file = folder.appending(path: name)
    try Data(text.utf8).write(to: file)
    return file
  }
}
