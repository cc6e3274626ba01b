import Conversations
import Domain
import Foundation
import Postgres
import Store
import Testing
import Wire

@Suite struct `Accepting an input` {
  @Test func `stores it once, however often it is delivered`() async throws {
    try await withConversation { it in
      let dispositions = try await withThrowingTaskGroup(
        of: Bindery_V1_AcceptResponse.Disposition.self
      ) { group in
        for _ in 0 ..< 8 {
          group.addTask { try await it.accept("hello", providerID: "wamid.1").disposition }
        }
        return try await group.reduce(into: []) { $0.append($1) }
      }
      #expect(dispositions.filter { $0 == .accepted }.count == 1)
      #expect(dispositions.filter { $0 == .duplicate }.count == 7)
      #expect(try await it.fixture.value("select count(*) from inputs", as: Int.self) == 1)
      #expect(try await it.accept("hello", providerID: "wamid.2").disposition == .accepted)
    }
  }

  @Test func `waits for quiet, and takes quick messages together`() async throws {
    try await withConversation { it in
      let first = try await it.accept("one", providerID: "1", quietMS: 1_000_000)
      #expect((900_000 ... 1_000_000).contains(first.dueInMs))
      #expect(try await it.begin().disposition == .nothingDue)
      // No quiet is asked for by this one: both are due.
      try await it.accept("two", providerID: "2")
      let begun = try await it.begin()
      #expect(begun.disposition == .leased)
      #expect(begun.inputs.map(\.body) == ["one", "two"])
      #expect(begun.inputs[0].displayName == "Asha")
      #expect(begun.session.locale == "hi")
    }
  }

  @Test func `of an unknown binding or a refusing tenant stores nothing`() async throws {
    try await withConversation(pausedPolicy: .refuse) { it in
      var request = Bindery_V1_AcceptRequest()
      request.conversation = it.key
      request.conversation.bindingID = BindingID(UUID()).data
      request.message = it.message("hello", providerID: "1")
      #expect(try await it.service.accept(request).disposition == .unknown)
      request.conversation.tenantID = TenantID(UUID()).data
      #expect(try await it.service.accept(request).disposition == .unknown)
      try await it.fixture.store.setTenantStatus(
        slug: "sahayak",
        status: .paused,
        author: "t",
        reason: ""
      )
      #expect(try await it.accept("hello", providerID: "1").disposition == .refused)
      #expect(try await it.fixture.value("select count(*) from inputs", as: Int.self) == 0)
      request.conversation.tenantID = Data([1, 2])
      await #expect(throws: ConversationError.malformed(field: "conversation.tenant_id")) {
        try await it.service.accept(request)
      }
    }
  }
}

@Suite struct `A turn` {
  @Test func `is committed once, with all of its rows`() async throws {
    try await withConversation { it in
      try await it.accept("hello", providerID: "1")
      let begun = try await it.begin()
      let request = it.commitRequest(begun)
      let committed = try await it.service.commitTurn(request)
      #expect(committed.disposition == .committed)
      #expect(committed.nextDueInMs == -1)
      #expect(try await it.counts() == [2, 1, 1, 1, 1, 1])
      #expect(try await it.service.commitTurn(request).disposition == .alreadyCommitted)
      #expect(try await it.counts() == [2, 1, 1, 1, 1, 1])
      #expect(try await it.begin().disposition == .nothingDue)

      let row = try #require(
        try await it.fixture.owner.query(
          """
          select tokens_in, tokens_out, cache_hit_tokens, cost_usd::text as usd, cost_pico_usd,
            metadata->'tier_tokens'->>'human' as human, (select args->>'q' from tool_calls) as args,
            (select phone from users) as phone, (select state from inputs) as input
          from llm_calls
          """
        ).first
      )
      #expect(try row.decode("tokens_in", as: Int.self) == 100)
      #expect(try row.decode("tokens_out", as: Int.self) == 12)
      #expect(try row.decode("cache_hit_tokens", as: Int.self) == 30)
      #expect(try row.decode("usd", as: String.self) == "0.000123")
      #expect(try row.decode("cost_pico_usd", as: Int64.self) == 123_456_789)
      #expect(try row.decode("human", as: String.self) == "60")
      #expect(try row.decode("args", as: String.self) == "ab")
      #expect(try row.decode("phone", as: String.self) == it.person)
      #expect(try row.decode("input", as: String.self) == "answered")

      // The next turn goes on with the session, and sees what was said.
      try await it.accept("and again", providerID: "2")
      let second = try await it.begin()
      #expect(second.session.sessionID == begun.session.sessionID)
      #expect(second.history.map(\.body) == ["hello", "Namaste"])
      #expect(second.epoch == begun.epoch + 1)
    }
  }

  @Test func `is one node's at a time, and an old epoch can write nothing`() async throws {
    try await withConversation { it in
      try await it.accept("hello", providerID: "1")
      let old = try await it.begin(node: "node-1")
      #expect(try await it.begin(node: "node-2").disposition == .busy)
      #expect(try await it.renew(old))
      try await it.expireLease()
      let new = try await it.begin(node: "node-2")
      #expect(new.disposition == .leased)
      #expect(new.epoch == old.epoch + 1)
      #expect(new.inputs.map(\.inputID) == old.inputs.map(\.inputID))

      #expect(try await !it.renew(old))
      #expect(try await !it.journal(old, step: 1))
      #expect(try await it.service.commitTurn(it.commitRequest(old)).disposition == .fenced)
      #expect(try await it.counts() == [0, 0, 0, 0, 0, 0])
      #expect(try await it.service.commitTurn(it.commitRequest(new)).disposition == .committed)
    }
  }

  @Test func `that was lost is claimed once, and goes on from its journal`() async throws {
    try await withConversation { it in
      try await it.accept("hello", providerID: "1")
      let lost = try await it.begin(node: "node-1")
      #expect(try await it.journal(lost, step: 1))
      #expect(try await it.service.claimable(limit: 10).isEmpty)
      try await it.expireLease()
      let claims = try await it.service.claimable(limit: 10)
      #expect(claims.map(\.reason) == [.leaseLost])
      #expect(claims.map(\.conversation) == [it.key])
      #expect(try await it.service.claimable(limit: 10).isEmpty)

      let next = try await it.begin(node: "node-2")
      #expect(next.disposition == .leased)
      #expect(next.turnID == lost.turnID)
      #expect(next.journal.map(\.step) == [1])
      #expect(next.journal.map(\.payloadJson) == ["{\"tool\":\"lookup\"}"])
      #expect(try await it.service.commitTurn(it.commitRequest(next)).disposition == .committed)
      #expect(try await it.fixture.value("select count(*) from turn_journal", as: Int.self) == 0)
    }
  }

  @Test func `asked for again by the same node keeps its epoch`() async throws {
    try await withConversation { it in
      try await it.accept("hello", providerID: "1")
      let turn = UUID()
      let first = try await it.begin(turn: turn)
      let again = try await it.begin(turn: turn)
      #expect(again.disposition == .leased)
      #expect(again.epoch == first.epoch)
      #expect(again.inputs == first.inputs)
    }
  }

  @Test func `gives back the inputs that it did not answer`() async throws {
    try await withConversation { it in
      try await it.accept("one", providerID: "1")
      try await it.accept("two", providerID: "2")
      let begun = try await it.begin()
      var request = it.commitRequest(begun)
      request.inputIds.removeLast()
      request.record.inputs.removeLast()
      let committed = try await it.service.commitTurn(request)
      #expect(committed.disposition == .committed)
      #expect(committed.nextDueInMs == 0)
      #expect(try await it.begin().inputs.map(\.body) == ["two"])
    }
  }

  @Test func `on the web brings its message itself, once`() async throws {
    try await withConversation { it in
      let message = it.message("hello", providerID: "c-1")
      let begun = try await it.begin(message: message)
      #expect(begun.inputs == [message])
      #expect(try await it.begin(node: "node-2", message: message).disposition == .duplicate)
      #expect(try await it.service.commitTurn(it.commitRequest(begun)).disposition == .committed)
      #expect(try await it.begin(message: message).disposition == .duplicate)
    }
  }

  @Test func `of a session that a person took over is not run`() async throws {
    try await withConversation { it in
      try await it.accept("hello", providerID: "1")
      let begun = try await it.begin()
      _ = try await it.service.commitTurn(it.commitRequest(begun))
      try await it.fixture.owner.query("update sessions set owner = 'human'")
      try await it.accept("help", providerID: "2")
      #expect(try await it.begin().disposition == .humanOwned)
      #expect(
        try await it.fixture.value(
          "select count(*) from messages where body = 'help' and direction = 'inbound'",
          as: Int.self
        ) == 1
      )
      #expect(try await it.begin().disposition == .nothingDue)
    }
  }

  @Test func `cannot write into another tenant`() async throws {
    try await withConversation { it in
      let other = SampleTenant("ranveer", number: "919800000002")
      try await it.fixture.store.publish(other.publication())
      try await it.accept("hello", providerID: "1")
      let request = it.commitRequest(try await it.begin())
      var foreign = request
      foreign.record.tenantID = other.tenantID.data
      await #expect(throws: ConversationError.malformed(field: "record.tenant_id")) {
        try await it.service.commitTurn(foreign)
      }
      var broken = request
      broken.record.violations[0].tier = "nobody"
      let error = await #expect(throws: ConversationError.self) {
        try await it.service.commitTurn(broken)
      }
      #expect(error?.code == "MALFORMED")
      #expect(try await it.counts() == [0, 0, 0, 0, 0, 0])
      #expect(try await it.service.commitTurn(request).disposition == .committed)
    }
  }
}

@Suite struct `Pausing a tenant` {
  @Test func `holds inputs until the resume, when they are claimed`() async throws {
    try await withConversation { it in
      let store = it.fixture.store
      try await it.accept("before", providerID: "1")
      try await store.setTenantStatus(slug: "sahayak", status: .paused, author: "t", reason: "")
      #expect(try await it.accept("during", providerID: "2").disposition == .held)
      #expect(try await it.begin().disposition == .held)
      #expect(try await it.service.claimable(limit: 10).isEmpty)
      try await store.setTenantStatus(slug: "sahayak", status: .active, author: "t", reason: "")
      let claims = try await it.service.claimable(limit: 10)
      #expect(claims.map(\.reason) == [.resumed])
      #expect(try await it.service.claimable(limit: 10).isEmpty)
      #expect(try await it.begin().inputs.map(\.body) == ["before", "during"])
    }
  }

  @Test func `holds the send of a turn that was under way`() async throws {
    try await withConversation { it in
      let store = it.fixture.store
      try await it.accept("hello", providerID: "1")
      let begun = try await it.begin()
      try await store.setTenantStatus(slug: "sahayak", status: .paused, author: "t", reason: "")
      let request = it.commitRequest(begun)
      #expect(try await it.service.commitTurn(request).disposition == .committedHeld)
      #expect(try await it.service.claimable(limit: 10).isEmpty)
      try await store.setTenantStatus(slug: "sahayak", status: .active, author: "t", reason: "")
      let claims = try await it.service.claimable(limit: 10)
      #expect(claims.map(\.reason) == [.unsent])
      #expect(claims.first?.body == "Namaste")
      #expect(claims.first?.outbox.outboxID == request.record.outbox[0].outboxID)
    }
  }
}

@Suite struct `The outbox` {
  @Test func `offers an unsent reply once, and not after it was sent`() async throws {
    try await withConversation { it in
      try await it.accept("hello", providerID: "1")
      let request = it.commitRequest(try await it.begin())
      _ = try await it.service.commitTurn(request)
      let claims = try await it.service.claimable(limit: 10)
      #expect(claims.map(\.reason) == [.unsent])
      #expect(claims.first?.outbox.recipient == it.person)
      #expect(try await it.service.claimable(limit: 10).isEmpty)

      var settle = Bindery_V1_SettleOutboxRequest()
      settle.tenantID = it.key.tenantID
      settle.outbox = request.record.outbox[0]
      settle.outbox.state = .sent
      settle.outbox.providerMessageID = "wamid.out"
      settle.outbox.attempts = 1
      _ = try await it.service.settleOutbox(settle)
      // A report that was overtaken changes nothing.
      settle.outbox.state = .ambiguous
      settle.outbox.providerMessageID = ""
      _ = try await it.service.settleOutbox(settle)
      try await it.fixture.owner.query("update outbox set offered_until = null")
      #expect(try await it.service.claimable(limit: 10).isEmpty)
      #expect(
        try await it.fixture.value(
          """
          select array[o.state, o.provider_message_id, m.provider_message_id]
          from outbox o join messages m on m.id = o.message_id
          """,
          as: [String].self
        ) == ["sent", "wamid.out", "wamid.out"]
      )
    }
  }
}
