package import Domain
package import Foundation
package import Guardrails
package import Logging
package import Models
package import Spool
package import Subscription
package import Tools
package import Wire

/// Everything outside of itself that a turn uses; tests pass doubles, the clock among them.
package struct TurnServices: Sendable {
  package var nodeID: String
  package var configuration: any ConfigurationReading
  package var conversations: any ConversationCalls
  package var spool: any Spooling
  package var inbox: any Inboxing
  package var models: any ModelCalling
  package var tools: any ToolRunning
  package var guards: any GuardsMaking
  /// What this node remembers of recent conversations.
  package var memory: ConversationMemory
  package var activity = TurnActivity()
  package var logger: Logger
  /// Unix time in ms.
  package var nowMS: @Sendable () -> Int64
  /// Makes UUIDv7s.
  package var mint: @Sendable () -> UUID

  package init(
    nodeID: String,
    configuration: any ConfigurationReading,
    conversations: any ConversationCalls,
    spool: any Spooling,
    inbox: any Inboxing,
    models: any ModelCalling,
    tools: any ToolRunning,
    guards: any GuardsMaking,
    memory: ConversationMemory,
    logger: Logger,
    nowMS: @escaping @Sendable () -> Int64,
    mint: @escaping @Sendable () -> UUID
  ) {
    self.nodeID = nodeID
    self.configuration = configuration
    self.conversations = conversations
    self.spool = spool
    self.inbox = inbox
    self.models = models
    self.tools = tools
    self.guards = guards
    self.memory = memory
    self.logger = logger
    self.nowMS = nowMS
    self.mint = mint
  }
}

/// Calls a model with its retry and fallbacks, and accounts for every attempt.
package protocol ModelCalling: Sendable {
  /// Never throws: a failure and a cancellation are results too, with the rows of what was spent.
  ///
  /// - Parameters:
  ///   - mayCall: the switch, asked before every try; when it says no, the call ends as `cancelled`.
  ///   - onText: gets each piece of text; when it throws, the call ends as `cancelled`.
  func call(
    _ request: ModelRequest,
    for binding: ResolvedBinding,
    mayCall: @Sendable () -> Bool,
    onText: @Sendable (String) async throws -> Void
  ) async -> ModelCallReport
}

package struct ModelCallReport: Sendable {
  package enum Result: Hashable, Sendable {
    case answered(ModelAnswer)
    /// `afterOutput`: text had been handed to `onText`.
    /// - Parameter mayRetry: false where the same model would answer the same.
    case failed(afterOutput: Bool, mayRetry: Bool)
    case cancelled
  }

  package var result: Result
  package var attempts: [Bindery_V1_ModelCallRecord]

  package init(result: Result, attempts: [Bindery_V1_ModelCallRecord]) {
    self.result = result
    self.attempts = attempts
  }
}

/// Makes the guards of one turn.
package protocol GuardsMaking: Sendable {
  func guards(for binding: ResolvedBinding, channel: String, language: String) -> any TurnGuards
}

/// The rules that hold for one turn.
package protocol TurnGuards: Sendable {
  func check(
    _ text: String,
    stage: GuardrailRule.Stage,
    in moment: GuardedMoment
  )
    -> GuardrailOutcome
  func makeOutput() -> any OutputGuarding
}

/// Where in which conversation a text is checked.
package struct GuardedMoment: Sendable {
  package var address: ConversationAddress
  /// The tool that is about to be called; empty elsewhere.
  package var tool: String
  /// The user's messages that are known, those of this turn among them; only at input.
  package var arrivals: [ArrivalTable.Arrival]

  package init(
    address: ConversationAddress,
    tool: String = "",
    arrivals: [ArrivalTable.Arrival] = []
  ) {
    self.address = address
    self.tool = tool
    self.arrivals = arrivals
  }
}

/// Output rules over a text that arrives in pieces. A value: a copy is a place to go back to.
package protocol OutputGuarding: Sendable {
  /// Takes a piece and returns what may leave now; nothing after a block.
  mutating func push(_ piece: String) -> String
  /// Nothing more comes. Unless blocked, the text begins with all that `push` has returned.
  mutating func finish() -> GuardrailOutcome
}

/// Where a streamed reply goes while it is made.
package protocol ReplyStream: Sendable {
  /// The turn has begun.
  func typing() async
  /// Text that has passed the guards.
  func text(_ piece: String) async
}

/// Hands finished replies to a messaging provider.
package protocol MessageSending: Sendable {
  /// - Parameter gate: asked before every attempt; the send is `held` when it is closed.
  func send(
    _ message: OutboundMessage,
    gate: @escaping @Sendable () -> Bool
  ) async -> SendOutcome
}

/// How a reply reaches its user.
package enum ReplyDelivery: Sendable {
  case stream(any ReplyStream)
  case message(any MessageSending)
}
