package import Domain
package import Subscription
package import Wire

/// What is known of a turn before the control plane is asked: pinned from start to end.
package struct TurnPlan: Sendable {
  package var address: ConversationAddress
  package var binding: ResolvedBinding
  /// Revision that the turn is pinned to.
  package var revision: Revision
  package var nodeID: String
  /// Account to send from; empty on web.
  package var channelAccount: String
  /// UUIDv7.
  package var turnID: TurnID
  /// The session to open when none is open. UUIDv7.
  package var newSessionID: SessionID
  /// Web: the message itself.
  package var message: Bindery_V1_InboundMessage?
  /// BCP 47 language that the channel tells, may be empty.
  package var locale: String
  package var limits: Limits

  package struct Limits: Hashable, Sendable {
    /// Session lease, in ms.
    package var leaseMS: Int64 = 30_000
    /// Most messages of history in a prompt.
    package var history: Int32 = 40
    /// A session idle for longer is not continued, in ms.
    package var idleMS: Int64 = 24 * 3_600_000

    package init() {}
  }

  package init(
    address: ConversationAddress,
    binding: ResolvedBinding,
    revision: Revision,
    nodeID: String,
    channelAccount: String,
    turnID: TurnID,
    newSessionID: SessionID,
    message: Bindery_V1_InboundMessage?,
    locale: String,
    limits: Limits = Limits()
  ) {
    self.address = address
    self.binding = binding
    self.revision = revision
    self.nodeID = nodeID
    self.channelAccount = channelAccount
    self.turnID = turnID
    self.newSessionID = newSessionID
    self.message = message
    self.locale = locale
    self.limits = limits
  }

  /// The question to the control plane that begins the turn.
  package var beginRequest: Bindery_V1_BeginTurnRequest {
    var request = Bindery_V1_BeginTurnRequest()
    request.conversation = address.wire
    request.nodeID = nodeID
    request.turnID = turnID.data
    request.newSessionID = newSessionID.data
    if let message { request.message = message }
    request.leaseMs = limits.leaseMS
    request.historyLimit = limits.history
    request.idleMs = limits.idleMS
    request.locale = locale
    return request
  }
}

/// What the control plane, or this node's memory, gave to answer from.
package struct TurnGround: Sendable {
  /// Fences every write; 0 when degraded.
  package var epoch: Int64
  /// Whose journal the turn goes on with; the plan's own when new.
  package var turnID: TurnID
  package var session: Bindery_V1_SessionRecord
  /// The inputs of this turn, oldest first; never empty.
  package var inputs: [Bindery_V1_InboundMessage]
  /// Earlier messages, oldest first.
  package var history: [Bindery_V1_MessageRecord]
  /// Steps of an earlier, lost attempt.
  package var journal: [Bindery_V1_JournalEntry]
  /// True: without the control plane.
  package var isDegraded: Bool

  package init(
    epoch: Int64,
    turnID: TurnID,
    session: Bindery_V1_SessionRecord,
    inputs: [Bindery_V1_InboundMessage],
    history: [Bindery_V1_MessageRecord],
    journal: [Bindery_V1_JournalEntry],
    isDegraded: Bool
  ) {
    self.epoch = epoch
    self.turnID = turnID
    self.session = session
    self.inputs = inputs
    self.history = history
    self.journal = journal
    self.isDegraded = isDegraded
  }
}

/// How a turn opened.
package enum TurnOpening: Sendable {
  case ground(TurnGround)
  case nothingDue
  /// Another node holds the lease: look again after so many ms.
  case busy(Int64)
  case held
  case refused
  case unknown
  case humanOwned
  case duplicate
  /// The control plane is away, and this binding waits for it.
  case waiting
}
