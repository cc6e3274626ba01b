import Foundation
import Logging
import Spool
import Testing
import Wire

@Suite struct InboxTests {
  private let logger = Logger(label: "inbox-tests")

  private func request(_ number: UInt8, provider: String) -> Bindery_V1_AcceptRequest {
    var request = Bindery_V1_AcceptRequest()
    request.conversation.tenantID = Data(repeating: 1, count: 16)
    request.message.inputID = Data(repeating: number, count: 16)
    request.message.channelAccount = "support"
    request.message.providerMessageID = provider
    return request
  }

  private func inbox(_ directory: ScratchDirectory) async throws -> Inbox {
    try await Inbox(Inbox.Options(directory: directory.path), logger: logger)
  }

  @Test func `a message seen before is told as such, after a restart too`() async throws {
    let directory = try ScratchDirectory()
    let first = try await inbox(directory)
    #expect(try await first.append(request(1, provider: "wamid.1")))
    #expect(try await !first.append(request(2, provider: "wamid.1")))
    var other = request(3, provider: "wamid.1")
    other.conversation.tenantID = Data(repeating: 2, count: 16)
    #expect(try await first.append(other))
    try await first.close()
    let second = try await inbox(directory)
    #expect(try await !second.append(request(4, provider: "wamid.1")))
    #expect(
      second.pending().map(\.message.inputID)
        == [request(1, provider: ""), other].map(\.message.inputID)
    )
    try await second.close()
  }

  @Test func `a settled message is not pending any more, and still a duplicate`() async throws {
    let directory = try ScratchDirectory()
    let first = try await inbox(directory)
    #expect(try await first.append(request(1, provider: "wamid.1")))
    #expect(try await first.append(request(2, provider: "wamid.2")))
    try await first.settle([UInt8](repeating: 1, count: 16))
    try await first.close()
    let second = try await inbox(directory)
    #expect(second.pending().map(\.message.providerMessageID) == ["wamid.2"])
    #expect(try await !second.append(request(5, provider: "wamid.1")))
    try await second.close()
  }
}
