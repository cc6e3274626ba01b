import Conversations
import Domain
import Foundation
import Postgres
import Store
import Wire

/// A published tenant, and the calls that nodes make for one person who talks to it.
struct ConversationFixture {
  let fixture: StoreFixture
  let service: ConversationService
  let tenant: SampleTenant
  var person = "919900000042"
  var displayName = "Asha"

  var key: Bindery_V1_ConversationKey {
    var key = Bindery_V1_ConversationKey()
    key.tenantID = tenant.tenantID.data
    key.bindingID = tenant.bindingID.data
    key.channel = "whatsapp"
    key.externalID = person
    return key
  }

  func message(_ body: String, providerID: String) -> Bindery_V1_InboundMessage {
    var message = Bindery_V1_InboundMessage()
    message.inputID = InputID(UUID()).data
    message.messageID = MessageID(UUID()).data
    message.channelAccount = tenant.slug
    message.providerMessageID = providerID
    message.body = body
    message.receivedAtMs = 1_790_000_000_000
    message.phone = person
    message.displayName = displayName
    message.metadataJson = "{\"type\":\"text\"}"
    return message
  }

  @discardableResult
  func accept(
    _ body: String,
    providerID: String,
    quietMS: Int64 = 0
  ) async throws -> Bindery_V1_AcceptResponse {
    var request = Bindery_V1_AcceptRequest()
    request.conversation = key
    request.message = message(body, providerID: providerID)
    request.quietMs = quietMS
    request.latestMs = quietMS * 3
    return try await service.accept(request)
  }

  func begin(
    node: String = "node-1",
    turn: UUID = UUID(),
    leaseMS: Int64 = 60_000,
    message: Bindery_V1_InboundMessage? = nil
  ) async throws -> Bindery_V1_BeginTurnResponse {
    var request = Bindery_V1_BeginTurnRequest()
    request.conversation = key
    request.nodeID = node
    request.turnID = TurnID(turn).data
    request.newSessionID = SessionID(UUID()).data
    request.leaseMs = leaseMS
    request.historyLimit = 20
    request.idleMs = 3_600_000
    request.locale = "hi"
    if let message { request.message = message }
    return try await service.beginTurn(request)
  }

  /// A reply to all inputs of a leased turn, with one row of each kind and a send to be done.
  func commitRequest(
    _ begun: Bindery_V1_BeginTurnResponse,
    reply: String = "Namaste"
  ) -> Bindery_V1_CommitTurnRequest {
    var record = Bindery_V1_TurnRecord()
    record.turnID = begun.turnID
    record.tenantID = key.tenantID
    record.bindingID = key.bindingID
    record.bindingDigest = tenant.binding.digest.data
    record.revision = 1
    record.pins.humanID = HumanID(tenant.humanID).data
    record.pins.humanVersion = 1
    record.session = begun.session
    record.outcome = .replied
    record.messages = begun.inputs.map { input in
      var message = Bindery_V1_MessageRecord()
      message.messageID = input.messageID
      message.inbound = true
      message.body = input.body
      message.createdAtMs = input.receivedAtMs
      message.providerMessageID = input.providerMessageID
      return message
    }
    var message = Bindery_V1_MessageRecord()
    message.messageID = MessageID(UUID()).data
    message.body = reply
    message.createdAtMs = 1_790_000_001_000
    record.messages.append(message)
    var call = Bindery_V1_ModelCallRecord()
    call.callID = CallID(UUID()).data
    call.provider = "simulated"
    call.model = "simulated-1"
    call.inUncached = 70
    call.cacheRead = 30
    call.outVisible = 8
    call.outReasoning = 4
    call.costPicoUsd = 123_456_789
    call.latencyMs = 12
    call.tierTokens = ["human": 60, "history": 40]
    record.modelCalls = [call]
    var tool = Bindery_V1_ToolCallRecord()
    tool.callID = CallID(UUID()).data
    tool.messageID = begun.inputs.first?.messageID ?? Data()
    tool.toolName = "lookup"
    tool.argsJson = "{\"q\":\"a\\u0000b\"}"
    record.toolCalls = [tool]
    var violation = Bindery_V1_ViolationRecord()
    violation.violationID = CallID(UUID()).data
    violation.tier = "team"
    violation.ruleID = "no-links"
    violation.severity = "log"
    record.violations = [violation]
    record.inputs = begun.inputs.map { input in
      var it = Bindery_V1_InputRecord()
      it.inputID = input.inputID
      it.messageID = input.messageID
      it.channelAccount = input.channelAccount
      it.providerMessageID = input.providerMessageID
      it.receivedAtMs = input.receivedAtMs
      return it
    }
    var send = Bindery_V1_OutboxRecord()
    send.outboxID = OutboxID(UUID()).data
    send.messageID = message.messageID
    send.channelAccount = tenant.slug
    send.recipient = person
    send.state = .pending
    record.outbox = [send]
    var request = Bindery_V1_CommitTurnRequest()
    request.conversation = key
    request.epoch = begun.epoch
    request.record = record
    request.inputIds = begun.inputs.map(\.inputID)
    return request
  }

  func journal(
    _ begun: Bindery_V1_BeginTurnResponse,
    step: Int32
  ) async throws -> Bool {
    var request = Bindery_V1_JournalRequest()
    request.conversation = key
    request.epoch = begun.epoch
    request.turnID = begun.turnID
    request.entry.step = step
    request.entry.kind = "tool_started"
    request.entry.payloadJson = "{\"tool\":\"lookup\"}"
    return try await service.journal(request).accepted
  }

  func renew(_ begun: Bindery_V1_BeginTurnResponse) async throws -> Bool {
    var request = Bindery_V1_RenewRequest()
    request.conversation = key
    request.epoch = begun.epoch
    request.leaseMs = 60_000
    return try await service.renew(request).renewed
  }

  /// Lets the session lease run out, without waiting for it.
  func expireLease() async throws {
    try await fixture.owner.query(
      "update conversation_leases set expires_at = now() - interval '1 second'"
    )
  }

  /// Rows in each of the tables that a turn writes.
  func counts() async throws -> [Int] {
    try await fixture.value(
      """
      select array[(select count(*) from messages), (select count(*) from llm_calls),
        (select count(*) from tool_calls), (select count(*) from guardrail_violations),
        (select count(*) from outbox), (select count(*) from turns)]
      """
    )
  }
}

func withConversation(
  pausedPolicy: PausedPolicy = .hold,
  _ body: (ConversationFixture) async throws -> Void
) async throws {
  try await withStore { fixture in
    let tenant = SampleTenant("sahayak", number: "919800000001")
    try await fixture.store.publish(tenant.publication(pausedPolicy: pausedPolicy))
    var patience = ConversationService.Patience()
    patience.due = .zero
    patience.send = .zero
    let service = ConversationService(
      store: fixture.store,
      patience: patience,
      logger: StoreFixture.logger
    )
    try await body(ConversationFixture(fixture: fixture, service: service, tenant: tenant))
  }
}
