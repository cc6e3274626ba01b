package import Domain
package import Guardrails
package import Models
package import Tools
package import Wire

/// What happened to a turn: each event answers the action before it.
package enum TurnEvent: Sendable {
  /// A turn was asked for.
  case started
  case opened(TurnOpening)
  /// Answers `guardText`.
  case guarded(GuardrailOutcome)
  /// Answers `callModel` after a clean end. `released` is the text that has left already (web).
  case modelAnswered(ModelAnswer, attempts: [Bindery_V1_ModelCallRecord], released: String)
  /// Answers `callModel` when the model, its retry and all fallbacks failed.
  /// - Parameter mayRetry: false where the same model would answer the same.
  case modelFailed(
    afterOutput: Bool,
    mayRetry: Bool,
    attempts: [Bindery_V1_ModelCallRecord],
    released: String
  )
  /// Answers `guardOutput`: the whole reply as it may be seen.
  case outputGuarded(GuardrailOutcome, released: String)
  /// Answers `journal`; false: the lease is lost.
  case journaled(Bool)
  /// Answers `journal` when the control plane is away.
  case journalUnavailable
  /// Answers `runTool`.
  case toolFinished(ToolOutcome)
  /// Answers `append`: the record is on disk.
  case appended
  /// Answers `append`: the disk would not take it.
  case appendFailed
  /// Answers `commit`.
  case committed(Bindery_V1_CommitTurnResponse)
  /// Answers `commit` when the control plane is away.
  case commitUnavailable
  /// Answers `send`.
  case sent(SendOutcome)
  /// Answers `settle`, whether or not it reached the control plane.
  case settled
}

/// What stops a turn from outside.
package enum TurnInterruption: Hashable, Sendable {
  /// Another node holds the conversation.
  case leaseLost
  /// This node stops.
  case stopped
  /// A gate closed while a reply was streaming.
  case gateClosed
}

/// What to do next. Exactly one follows each event.
package enum TurnAction: Sendable {
  case begin(Bindery_V1_BeginTurnRequest)
  case guardText(String, stage: GuardrailRule.Stage)
  case callModel(ModelRequest)
  /// The same, after forgetting all that the model has written: a rule wants it written again.
  case callModelAgain(ModelRequest)
  /// The model is done: finish the output guards over all that it wrote.
  case guardOutput
  case journal(Bindery_V1_JournalEntry)
  case runTool(ToolInvocation, idempotencyKey: String)
  /// To the spool, before anything is committed or sent.
  case append(Bindery_V1_TurnRecord)
  case commit(Bindery_V1_CommitTurnRequest)
  /// WhatsApp: hand the reply to the provider.
  case send(OutboundMessage)
  /// Tell what became of the send.
  case settle(Bindery_V1_OutboxRecord)
  case finish(TurnEnd)
}

/// A reply on its way to a messaging provider.
package struct OutboundMessage: Hashable, Sendable {
  package var tenantID: TenantID
  package var bindingID: BindingID
  package var outboxID: OutboxID
  /// Slug of the account to send from.
  package var channelAccount: String
  /// Recipient in the channel's terms.
  package var recipient: String
  package var text: String
  /// The provider's id of the message that it answers, may be empty.
  package var replyTo: String

  package init(
    tenantID: TenantID,
    bindingID: BindingID,
    outboxID: OutboxID,
    channelAccount: String,
    recipient: String,
    text: String,
    replyTo: String
  ) {
    self.tenantID = tenantID
    self.bindingID = bindingID
    self.outboxID = outboxID
    self.channelAccount = channelAccount
    self.recipient = recipient
    self.text = text
    self.replyTo = replyTo
  }
}

/// What became of a send.
package struct SendOutcome: Hashable, Sendable {
  package enum State: Hashable, Sendable {
    case sent(providerMessageID: String)
    /// The answer was lost: never sent again before the status echo.
    case ambiguous
    /// A gate closed before an attempt.
    case held
    case failed(error: String)
  }

  package var state: State
  package var attempts: Int32

  package init(state: State, attempts: Int32) {
    self.state = state
    self.attempts = attempts
  }
}

/// How a turn ended.
package struct TurnEnd: Hashable, Sendable {
  package enum Kind: Hashable, Sendable {
    case replied
    /// A guardrail's message went out in place of a reply.
    case blocked
    /// The apology went out.
    case failed
    /// Paused, stale or archived midway: nothing more left.
    case held
    /// The lease is lost, the node stops, or the disk is full.
    case abandoned
    case nothingDue
    case busy(Int64)
    /// Refused with the tenant's message, if it has one.
    case refused(LocalizedText)
    /// Answers like an unknown route.
    case unknown
    case humanOwned
    case duplicate
    /// Kept in the inbox until the control plane is back.
    case waiting
  }

  package var kind: Kind
  /// The reply as the user sees it; nil when there is none.
  package var text: String?
  package var messageID: MessageID?
  package var sessionID: SessionID?
  /// True: the reply broke off after part of it had left.
  package var isInterrupted: Bool
  package var isDegraded: Bool
  /// More inputs are due in so many ms; nil when none.
  package var nextDueInMS: Int64?

  package init(
    kind: Kind,
    text: String? = nil,
    messageID: MessageID? = nil,
    sessionID: SessionID? = nil,
    isInterrupted: Bool = false,
    isDegraded: Bool = false,
    nextDueInMS: Int64? = nil
  ) {
    self.kind = kind
    self.text = text
    self.messageID = messageID
    self.sessionID = sessionID
    self.isInterrupted = isInterrupted
    self.isDegraded = isDegraded
    self.nextDueInMS = nextDueInMS
  }
}
