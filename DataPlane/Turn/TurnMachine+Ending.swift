internal import Domain
internal import Foundation
internal import Wire

/// From the finished reply to SETTLED: disk first, then commit, then send.
extension TurnMachine {
  /// Makes the record of a reply and sends it to the disk.
  mutating func conclude(
    _ kind: TurnEnd.Kind,
    text: String,
    gate: TurnGate,
    now: Int64
  ) -> TurnAction {
    guard let ground else { return outOfOrder(now) }
    guard gate.isOpen else { return giveUp(.held, outcome: .held, now: now) }
    let outcome: Bindery_V1_TurnOutcome =
      switch kind {
      case .blocked: .blocked
      case .failed: .failed
      default: .replied
      }
    let isInterrupted = kind != .replied && !released.isEmpty
    var reply = Reply(
      kind: kind,
      text: text,
      messageID: MessageID(mint()),
      outboxID: OutboxID(mint()),
      isInterrupted: isInterrupted,
      record: plan.record(ground: ground, rows: rows, outcome: outcome, atMS: now)
    )
    var message = Bindery_V1_MessageRecord()
    message.messageID = reply.messageID.data
    message.body = text
    // Clocks have milliseconds: an answer never sorts before what it answers.
    let newest = ground.inputs.map(\.receivedAtMs).max() ?? now
    message.createdAtMs = max(now, newest + 1)
    message.metadataJson = metadata(ground, outcome: kind, isInterrupted: isInterrupted)
    reply.record.messages = ground.inboundRows + [message]
    reply.record.inputs = ground.inputRecords
    if sendsLater {
      // Without the control plane nobody else may send it: about to be sent is as good as sent.
      reply.record.outbox = [outboxRow(reply, state: ground.isDegraded ? .ambiguous : .pending)]
    }
    state = .appending(reply)
    return .append(reply.record)
  }

  mutating func handleEnding(_ event: TurnEvent, gate: TurnGate, now: Int64) -> TurnAction {
    switch (state, event) {
    case (.appending(let reply), .appended):
      if ground?.isDegraded == true { return send(reply, gate: gate, now: now) }
      // The spool carries the record to the control plane, which holds the send.
      guard gate.isOpen else { return finish(end(reply, as: .held)) }
      state = .committing(reply)
      return .commit(commitRequest(reply))
    case (.appending(let reply), .appendFailed):
      return finish(end(reply, as: .abandoned, isStored: false))

    case (.committing(let reply), .committed(let response)):
      return committed(reply, response, gate: gate, now: now)
    case (.committing(let reply), .commitUnavailable):
      ground?.isDegraded = true
      guard sendsLater, gate.isOpen else {
        return finish(end(reply, as: gate.isOpen ? reply.kind : .held))
      }
      state = .noting(reply)
      return .append(outboxRecord(reply, state: .ambiguous, now: now))

    case (.noting(let reply), .appended): return send(reply, gate: gate, now: now)
    case (.noting(let reply), .appendFailed): return finish(end(reply, as: .held))

    case (.sending(let reply), .sent(let outcome)):
      return sent(reply, outcome, now: now)
    case (.settling(let reply), .settled): return finish(end(reply))

    case (.closing(let end), .appended), (.closing(let end), .appendFailed): return finish(end)
    default: return outOfOrder(now)
    }
  }

  private mutating func committed(
    _ reply: Reply,
    _ response: Bindery_V1_CommitTurnResponse,
    gate: TurnGate,
    now: Int64
  ) -> TurnAction {
    var reply = reply
    reply.nextDueInMS = response.nextDueInMs >= 0 ? response.nextDueInMs : nil
    switch response.disposition {
    case .committed, .alreadyCommitted:
      // ALREADY_COMMITTED answers our own repeat: only this turn, which has not sent, had the lease.
      return send(reply, gate: gate, now: now)
    case .committedHeld: return finish(end(reply, as: .held))
    default:
      return giveUp(.abandoned, outcome: .abandoned, now: now)
    }
  }

  private mutating func send(_ reply: Reply, gate: TurnGate, now: Int64) -> TurnAction {
    guard let ground, sendsLater else {
      // What has not been streamed yet leaves only while the switch is on; it is in the history.
      return finish(end(reply, as: gate.isOpen ? reply.kind : .held))
    }
    guard gate.isOpen else {
      return sent(reply, SendOutcome(state: .held, attempts: 0), now: now)
    }
    state = .sending(reply)
    return .send(
      OutboundMessage(
        tenantID: plan.address.tenantID,
        bindingID: plan.address.bindingID,
        outboxID: reply.outboxID,
        channelAccount: account,
        recipient: plan.address.externalID,
        text: reply.text,
        replyTo: ground.inputs.last?.providerMessageID ?? ""
      )
    )
  }

  private mutating func sent(_ reply: Reply, _ outcome: SendOutcome, now: Int64) -> TurnAction {
    let row = outcome.applied(to: outboxRow(reply, state: .pending))
    guard ground?.isDegraded == true else {
      state = .settling(reply)
      return .settle(row)
    }
    // The control plane learns it from the spool, after the record of the reply itself.
    var record = outboxRecord(reply, state: row.state, now: now)
    record.outbox = [row]
    state = .closing(end(reply, as: outcome.state == .held ? .held : reply.kind))
    return .append(record)
  }

  // MARK: - Parts

  /// WhatsApp replies are sent after the commit; on the web they have been streamed by then.
  private var sendsLater: Bool { plan.address.channel == "whatsapp" }

  /// The account that the newest input came through.
  private var account: String {
    ground?.inputs.last { !$0.channelAccount.isEmpty }?.channelAccount ?? plan.channelAccount
  }

  private func commitRequest(_ reply: Reply) -> Bindery_V1_CommitTurnRequest {
    var request = Bindery_V1_CommitTurnRequest()
    request.conversation = plan.address.wire
    request.epoch = ground?.epoch ?? 0
    request.record = reply.record
    request.inputIds = reply.record.inputs.map(\.inputID)
    return request
  }

  private func outboxRow(
    _ reply: Reply,
    state: Bindery_V1_OutboxState
  ) -> Bindery_V1_OutboxRecord {
    var row = Bindery_V1_OutboxRecord()
    row.outboxID = reply.outboxID.data
    row.messageID = reply.messageID.data
    row.channelAccount = account
    row.recipient = plan.address.externalID
    row.state = state
    return row
  }

  /// A bundle of the same turn with nothing but where its send stands.
  private func outboxRecord(
    _ reply: Reply,
    state: Bindery_V1_OutboxState,
    now: Int64
  ) -> Bindery_V1_TurnRecord {
    var record = reply.record
    record.messages = []
    record.modelCalls = []
    record.toolCalls = []
    record.violations = []
    record.inputs = []
    record.degraded = true
    record.session.lastActiveAtMs = max(record.session.lastActiveAtMs, now)
    record.outbox = [outboxRow(reply, state: state)]
    return record
  }

  private func metadata(
    _ ground: TurnGround,
    outcome: TurnEnd.Kind,
    isInterrupted: Bool
  ) -> String {
    var metadata: [String: JSONValue] = ["turn_id": .string(ground.turnID.description)]
    if ground.isDegraded { metadata["degraded"] = true }
    if isInterrupted { metadata["interrupted"] = true }
    if outcome == .blocked { metadata["blocked"] = true }
    if outcome == .failed { metadata["apology"] = true }
    return RowJSON.text(.object(metadata))
  }

  private func end(
    _ reply: Reply,
    as kind: TurnEnd.Kind? = nil,
    isStored: Bool = true
  ) -> TurnEnd {
    TurnEnd(
      kind: kind ?? reply.kind,
      text: isStored ? reply.text : nil,
      messageID: isStored ? reply.messageID : nil,
      sessionID: ground.flatMap { SessionID(bytes: $0.session.sessionID) },
      isInterrupted: reply.isInterrupted,
      isDegraded: ground?.isDegraded ?? false,
      nextDueInMS: reply.nextDueInMS
    )
  }
}
