import Domain
import Foundation
import Ledger
import Postgres
import Store
import SwiftProtobuf
import Testing
import Wire

@Suite struct `The ledger` {
  @Test func `makes no second row of what is sent again`() async throws {
    try await withLedger { it in
      let spool = LedgerFixture.Spool()
      let requests = (1 ... 4).map { spool.request(UInt64($0), it.turn(of: it.tenant)) }
      #expect(try await it.ledger.record(Array(requests[0 ..< 3])).committedSequence == 3)
      try await it.expectRows(ofTurns: 3)
      // All of it, a part of it, and a part of it with something new behind.
      #expect(try await it.ledger.record(Array(requests[0 ..< 3])).committedSequence == 3)
      #expect(try await it.ledger.record([requests[0]]).committedSequence == 3)
      #expect(try await it.ledger.record(Array(requests[1 ..< 4])).committedSequence == 4)
      try await it.expectRows(ofTurns: 4)
    }
  }

  @Test func `tells rows by their ids when the cursor cannot tell`() async throws {
    try await withLedger { it in
      let record = it.turn(of: it.tenant)
      // The disk was copied to a new node: another spool brings the same turn.
      for node in ["node-1", "node-2"] {
        let spool = LedgerFixture.Spool(node: node)
        #expect(try await it.ledger.record([spool.request(1, record)]).committedSequence == 1)
      }
      try await it.expectRows(ofTurns: 1)
    }
  }

  @Test func `keeps a cursor for each spool of each node`() async throws {
    try await withLedger { it in
      var again = LedgerFixture.Spool()
      let spools = [again, LedgerFixture.Spool(node: "node-2")]
      for spool in spools {
        let request = spool.request(7, it.turn(of: it.tenant))
        #expect(try await it.ledger.record([request]).committedSequence == 7)
      }
      // The node lost its disk and counts from the start.
      again.incarnation = UUID()
      let request = again.request(1, it.turn(of: it.tenant))
      #expect(try await it.ledger.record([request]).committedSequence == 1)
      try await it.expectRows(ofTurns: 3)
    }
  }

  @Test func `stores all of several nodes that write about the same people at once`() async throws {
    try await withLedger { it in
      let sessions = (0 ..< 3).map { _ in UUID() }
      try await withThrowingTaskGroup(of: Void.self) { group in
        for node in 0 ..< 4 {
          group.addTask {
            let spool = LedgerFixture.Spool(node: "node-\(node)")
            for batch in 0 ..< 3 {
              let requests = (0 ..< 6).map { index in
                // In another order on each node, so that their row locks cross.
                let person = (index * (node + 1)) % sessions.count
                return spool.request(
                  UInt64(batch * 6 + index + 1),
                  it.turn(of: it.tenant, person: "91990000000\(person)", session: sessions[person])
                )
              }
              let response = try await it.ledger.record(requests)
              #expect(response.committedSequence == UInt64(batch * 6 + 6))
              #expect(response.setAside.isEmpty)
            }
          }
        }
        try await group.waitForAll()
      }
      try await it.expectRows(ofTurns: 72)
      #expect(try await it.fixture.value("select count(*) from sessions", as: Int.self) == 3)
    }
  }

  @Test func `stores a batch larger than what a socket takes at once`() async throws {
    try await withLedger { it in
      let spool = LedgerFixture.Spool()
      let requests = (1 ... 60).map { sequence in
        var record = it.turn(of: sequence % 2 == 0 ? it.tenant : it.other)
        record.messages[0].body = String(repeating: "ನಮಸ್ಕಾರ ", count: 10_000)
        return spool.request(UInt64(sequence), record)
      }
      #expect(try await it.ledger.record(requests).committedSequence == 60)
      try await it.expectRows(ofTurns: 60)
      #expect(
        try await it.fixture.value(
          "select min(length(body)) = 80000 and count(distinct tenant_id) = 2 from messages",
          as: Bool.self
        )
      )
    }
  }

  @Test func `stores nothing and acknowledges nothing when the database is gone`() async throws {
    try await withLedger { it in
      let spool = LedgerFixture.Spool()
      await it.fixture.store.app.shutdown()
      await #expect(throws: PostgresError.self) {
        try await it.ledger.record([spool.request(1, it.turn(of: it.tenant))])
      }
      try await it.expectRows(ofTurns: 0)
    }
  }
}

@Suite struct `A record that cannot be stored` {
  enum Fault: String, CaseIterable {
    case `an id that is none`, `no tenant`, `a tenant that does not exist`
    case `another tenant's binding`, `another tenant's session`, `a time beyond all calendars`
    case `JSON that is none`, `a NUL in the channel`, `a key too long for an index`

    var code: String {
      switch self {
      case .`an id that is none`, .`no tenant`, .`JSON that is none`: "MALFORMED"
      case .`a tenant that does not exist`: "UNKNOWN_TENANT"
      case .`another tenant's binding`: "UNKNOWN_BINDING"
      case .`another tenant's session`: "UNKNOWN_SESSION"
      default: "UNSTORABLE_VALUE"
      }
    }
  }

  @Test(arguments: Fault.allCases)
  func `is set aside with its reason and holds up nobody`(_ fault: Fault) async throws {
    try await withLedger { it in
      let spool = LedgerFixture.Spool()
      let foreign = UUID()
      let known = LedgerFixture.Spool(node: "node-2")
      let theirs = it.turn(of: it.other, person: "919900000099", session: foreign)
      #expect(try await it.ledger.record([known.request(1, theirs)]).setAside.isEmpty)

      let batch = [
        spool.request(1, it.turn(of: it.tenant)),
        spool.request(2, broken(by: fault, it, foreignSession: foreign)),
        spool.request(3, it.turn(of: it.tenant)),
      ]
      let response = try await it.ledger.record(batch)
      #expect(response.committedSequence == 3)
      #expect(response.setAside.map(\.sequence) == [2])
      #expect(response.setAside.first?.code == fault.code)
      #expect(response.setAside.first?.message.contains("secret") == false)
      try await it.expectRows(ofTurns: 3)

      #expect(try await it.ledger.record(batch).committedSequence == 3)
      try await it.expectRows(ofTurns: 3)
      #expect(
        try await it.fixture.value("select count(*) from ledger_set_aside", as: Int.self) == 1
      )
      let kept: [UInt8] = try await it.fixture.value("select record from ledger_set_aside")
      #expect(try Bindery_V1_TurnRecord(serializedBytes: kept) == batch[1].record)
    }
  }

  @Test func `of a tenant that its node may not serve is kept as nobody's`() async throws {
    try await withLedger { it in
      let spool = LedgerFixture.Spool()
      let batch = [
        spool.request(1, it.turn(of: it.tenant)), spool.request(2, it.turn(of: it.other)),
        spool.request(3, it.turn(of: it.tenant)),
      ]
      let response = try await it.ledger.record(batch, servedTenants: [it.tenant.tenantID])
      #expect(response.committedSequence == 3)
      #expect(response.setAside.map(\.code) == ["TENANT_NOT_SERVED"])
      #expect(response.setAside.map(\.sequence) == [2])
      try await it.expectRows(ofTurns: 2)
      #expect(
        try await it.fixture.value(
          "select count(*) from ledger_set_aside where tenant_id is null",
          as: Int.self
        ) == 1
      )
    }
  }

  private func broken(
    by fault: Fault,
    _ it: LedgerFixture,
    foreignSession: UUID
  ) -> Bindery_V1_TurnRecord {
    var record = it.turn(of: it.tenant)
    record.messages[0].body = "a secret"
    switch fault {
    case .`an id that is none`: record.messages[0].messageID = Data([1, 2, 3])
    case .`no tenant`: record.tenantID = Data()
    case .`a tenant that does not exist`: record.tenantID = TenantID(UUID()).data
    case .`another tenant's binding`: record.bindingID = it.other.bindingID.data
    case .`another tenant's session`: record.session.sessionID = SessionID(foreignSession).data
    case .`a time beyond all calendars`: record.messages[0].createdAtMs = .max
    case .`JSON that is none`: record.toolCalls[0].argsJson = "{\"secret\":"
    case .`a NUL in the channel`: record.session.channel = "whats\0app"
    case .`a key too long for an index`:
      // Of different characters, so that no compression makes it short.
      var generator = SystemRandomNumberGenerator()
      record.inputs[0].providerMessageID = String(
        decoding: (0 ..< 20_000).map { _ in UInt8.random(in: 33 ... 126, using: &generator) },
        as: UTF8.self
      )
    }
    return record
  }
}

@Suite struct `Usage` {
  @Test func `is what was stored, of the tenant and the time asked for`() async throws {
    try await withLedger { it in
      let spool = LedgerFixture.Spool()
      var late = it.turn(of: it.tenant)
      late.modelCalls[0].createdAtMs += 86_400_000
      late.messages[0].createdAtMs += 86_400_000
      let records = [it.turn(of: it.tenant), it.turn(of: it.other), late]
      _ = try await it.ledger.record(
        records.enumerated().map { spool.request(UInt64($0.offset + 1), $0.element) }
      )

      let all = try await it.ledger.usage(Bindery_V1_UsageRequest()).rows
      #expect(all.map(\.tenant) == ["ranveer", "sahayak"])
      #expect(all.map(\.modelCalls) == [1, 2])

      var request = Bindery_V1_UsageRequest()
      request.tenant = "sahayak"
      let row = try #require(try await it.ledger.usage(request).rows.first)
      #expect([row.tokensIn, row.tokensOut, row.cacheHitTokens] == [200, 24, 60])
      #expect(row.costPicoUsd == 2_000_002)
      #expect([row.messages, row.toolCalls, row.violations] == [2, 2, 2])
      request.toMs = 1_790_000_002_000
      #expect(try await it.ledger.usage(request).rows.map(\.modelCalls) == [1])
      request.fromMs = request.toMs
      request.toMs = 0
      #expect(try await it.ledger.usage(request).rows.map(\.modelCalls) == [1])
    }
  }

  @Test func `of a tenant that does not exist is an error`() async throws {
    try await withLedger { it in
      var request = Bindery_V1_UsageRequest()
      request.tenant = "nobody"
      await #expect(throws: StoreError.self) { try await it.ledger.usage(request) }
    }
  }
}
