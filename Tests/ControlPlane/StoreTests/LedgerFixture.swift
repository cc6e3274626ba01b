import Domain
import Foundation
import Ledger
import Postgres
import Store
import Testing
import Wire

/// Two published tenants, and what nodes send of turns that ran without the control plane.
struct LedgerFixture {
  let fixture: StoreFixture
  let ledger: LedgerService
  let tenant: SampleTenant
  let other: SampleTenant

  /// The spool of one node.
  struct Spool {
    var node = "node-1"
    var incarnation = UUID()

    func request(_ sequence: UInt64, _ record: Bindery_V1_TurnRecord) -> Bindery_V1_RecordRequest {
      var request = Bindery_V1_RecordRequest()
      request.nodeID = node
      request.spoolIncarnation = MessageID(incarnation).data
      request.sequence = sequence
      request.record = record
      return request
    }
  }

  /// A turn with one row of each kind, in a session that the node opened.
  func turn(
    of tenant: SampleTenant,
    person: String = "919900000042",
    session: UUID = UUID()
  ) -> Bindery_V1_TurnRecord {
    var record = Bindery_V1_TurnRecord()
    record.turnID = TurnID(UUID()).data
    record.tenantID = tenant.tenantID.data
    record.bindingID = tenant.bindingID.data
    record.bindingDigest = tenant.binding.digest.data
    record.revision = 1
    record.outcome = .replied
    record.degraded = true
    record.session.sessionID = SessionID(session).data
    record.session.channel = "whatsapp"
    record.session.externalID = person
    record.session.phone = person
    record.session.provisional = true
    record.session.startedAtMs = 1_790_000_000_000
    record.session.lastActiveAtMs = 1_790_000_001_000
    var message = Bindery_V1_MessageRecord()
    message.messageID = MessageID(UUID()).data
    message.body = "Namaste"
    message.createdAtMs = 1_790_000_001_000
    record.messages = [message]
    var call = Bindery_V1_ModelCallRecord()
    call.callID = CallID(UUID()).data
    call.provider = "simulated"
    call.model = "simulated-1"
    call.inUncached = 70
    call.cacheRead = 30
    call.outVisible = 12
    call.costPicoUsd = 1_000_001
    call.createdAtMs = 1_790_000_001_000
    record.modelCalls = [call]
    var tool = Bindery_V1_ToolCallRecord()
    tool.callID = CallID(UUID()).data
    tool.toolName = "lookup"
    tool.createdAtMs = 1_790_000_001_000
    record.toolCalls = [tool]
    var violation = Bindery_V1_ViolationRecord()
    violation.violationID = CallID(UUID()).data
    violation.tier = "team"
    violation.ruleID = "no-links"
    violation.severity = "log"
    violation.createdAtMs = 1_790_000_001_000
    record.violations = [violation]
    var input = Bindery_V1_InputRecord()
    input.inputID = InputID(UUID()).data
    input.messageID = MessageID(UUID()).data
    input.channelAccount = tenant.slug
    input.providerMessageID = UUID().uuidString
    input.receivedAtMs = 1_790_000_000_000
    record.inputs = [input]
    return record
  }

  /// Each of these turns has one row in each of the tables.
  func expectRows(
    ofTurns turns: Int,
    sourceLocation: SourceLocation = #_sourceLocation
  ) async throws {
    let counts: [Int] = try await fixture.value(
      """
      select array[(select count(*) from messages), (select count(*) from llm_calls),
        (select count(*) from tool_calls), (select count(*) from guardrail_violations),
        (select count(*) from turns), (select count(*) from inputs)]
      """
    )
    #expect(counts == Array(repeating: turns, count: 6), sourceLocation: sourceLocation)
  }
}

func withLedger(_ body: (LedgerFixture) async throws -> Void) async throws {
  try await withStore { fixture in
    let tenant = SampleTenant("sahayak", number: "919800000001")
    let other = SampleTenant("ranveer", number: "919800000002")
    try await fixture.store.publish(tenant.publication())
    try await fixture.store.publish(other.publication())
    try await body(
      LedgerFixture(
        fixture: fixture,
        ledger: LedgerService(store: fixture.store, logger: StoreFixture.logger),
        tenant: tenant,
        other: other
      )
    )
  }
}
