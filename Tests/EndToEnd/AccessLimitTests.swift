import Foundation
import GRPCCore
import Scenario
import SwiftProtobuf
import Testing
import Wire

@Suite(
  .serialized,
  .stack(
    base: 8300,
    controlArguments: { folder in
      [
        "--access", "tokens", "--bootstrap-token-file", folder.appending(path: "admin.token").path,
        "--auth-failures", "3",
      ]
    }
  ) { stack in try await stack.startControl() }
)
struct `Failed authentications` {
  private let stack: Stack

  init() throws { stack = try Stack.ofSuite() }

  @Test func `are answered so many times, counted, and keep nobody out who has a token`()
    async throws
  {
    let method = bindery("Admin", "ListNodes")
    let stranger = RawCalls(stack.control, token: "nonsense")
    var endings: [RawCalls.Ending] = []
    for _ in 0 ..< 8 { endings.append(try await stranger.call(method, [Google_Protobuf_Empty()])) }
    #expect(endings.prefix(3).allSatisfy { $0.code == .unauthenticated })
    #expect(endings.suffix(4).allSatisfy { $0.code == .resourceExhausted })
    let last = try #require(endings.last)
    #expect(last.message.contains("too many failed authentications from this address"))
    // From the same address.
    let known = RawCalls(stack.control, token: try stack.adminToken())
    #expect(try await known.call(method, [Google_Protobuf_Empty()]).code == .ok)
    let health = MethodDescriptor(fullyQualifiedService: "grpc.health.v1.Health", method: "Check")
    #expect(try await stranger.call(health, [Google_Protobuf_Empty()]).code == .ok)
    // The tool says it in one line.
    let tool = try await stack.tool(token: "nonsense").run(["nodes"])
    #expect(tool.status == 77, "\(tool.standardError)")
    #expect(tool.standardError.split(separator: "\n").count == 1)

    let answer = try await httpCall("GET", "http://127.0.0.1:\(stack.ports.http)/metrics")
    func counted(_ label: String) -> Int {
      let name = "bindery_unauthenticated_total{answer=\"\(label)\"} "
      let line = answer.text.split(separator: "\n").first { $0.hasPrefix(name) }
      return line.flatMap { Int($0.dropFirst(name.count)) } ?? 0
    }
    #expect((3 ... 4).contains(counted("unauthenticated")))
    #expect(counted("resource_exhausted") >= 4)
    // Beyond the limit there is no line in the log for each.
    let log = await stack.output(of: "bindery-control")
    let lines = log.split(separator: "\n").count { $0.contains("call refused") }
    #expect(lines == counted("unauthenticated"))
  }
}
