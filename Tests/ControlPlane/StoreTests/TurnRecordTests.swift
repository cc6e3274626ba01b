import Conversations
import Domain
import Foundation
import Ledger
import Postgres
import Store
import Testing
import Wire

@Suite struct `A turn's record` {
  @Test func `that came by the ledger first is committed without second rows`() async throws {
    try await withConversation { it in
      try await it.accept("hello", providerID: "1")
      let begun = try await it.begin()
      let request = it.commitRequest(begun)
      for _ in 0 ..< 2 { try await write(request.record, it) }
      #expect(try await it.counts() == [2, 1, 1, 1, 1, 1])
      // The inputs are answered and the lease is free.
      #expect(try await it.begin(node: "node-2").disposition == .nothingDue)
      #expect(try await it.service.claimable(limit: 10).map(\.reason) == [.unsent])
      #expect(try await it.service.commitTurn(request).disposition == .committed)
      #expect(try await it.service.commitTurn(request).disposition == .alreadyCommitted)
      #expect(try await it.counts() == [2, 1, 1, 1, 1, 1])
    }
  }

  @Test func `of an abandoned attempt gives way to the turn that goes on with it`() async throws {
    try await withConversation { it in
      try await it.accept("hello", providerID: "1")
      let lost = try await it.begin()
      #expect(try await it.journal(lost, step: 1))
      var abandoned = it.commitRequest(lost).record
      abandoned.outcome = .abandoned
      abandoned.messages = []
      abandoned.outbox = []
      try await write(abandoned, it)
      #expect(try await it.counts() == [0, 1, 1, 1, 0, 1])
      try await it.expireLease()
      let next = try await it.begin(node: "node-2")
      #expect(next.turnID == lost.turnID)
      #expect(try await it.service.commitTurn(it.commitRequest(next)).disposition == .committed)
      #expect(try await it.counts() == [2, 2, 2, 2, 1, 1])
      #expect(try await it.fixture.value("select outcome from turns", as: String.self) == "replied")
    }
  }

  @Test func `opens its session and user when the node was alone`() async throws {
    try await withConversation { it in
      var begun = Bindery_V1_BeginTurnResponse()
      begun.turnID = TurnID(UUID()).data
      begun.session.sessionID = SessionID(UUID()).data
      begun.session.channel = "whatsapp"
      begun.session.externalID = it.person
      begun.session.phone = it.person
      begun.session.provisional = true
      begun.session.startedAtMs = 1_790_000_000_000
      begun.session.lastActiveAtMs = 1_790_000_001_000
      begun.inputs = [it.message("hello", providerID: "1")]
      var record = it.commitRequest(begun).record
      record.degraded = true
      record.outbox[0].state = .ambiguous
      try await write(record, it)
      #expect(try await it.counts() == [2, 1, 1, 1, 1, 1])
      #expect(
        try await it.fixture.value(
          "select s.provisional and u.phone = s.external_id from sessions s join users u on u.id = s.user_id",
          as: Bool.self
        )
      )
      // The provider delivers it again, now that the control plane is back.
      #expect(try await it.accept("hello", providerID: "1").disposition == .duplicate)

      var status = record
      status.messages = []
      status.modelCalls = []
      status.toolCalls = []
      status.violations = []
      status.inputs = []
      status.outbox[0].state = .sent
      status.outbox[0].providerMessageID = "wamid.out"
      try await write(status, it)
      #expect(try await it.fixture.value("select state from outbox", as: String.self) == "sent")
    }
  }

  private func write(_ record: Bindery_V1_TurnRecord, _ it: ConversationFixture) async throws {
    try await it.fixture.store.app.withTransaction(
      settings: Store.settings(for: it.tenant.tenantID)
    ) { connection in
      try await TurnRecordWriter().write(record, on: connection)
    }
  }
}
