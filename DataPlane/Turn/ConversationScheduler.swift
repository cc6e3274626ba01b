internal import Domain
internal import Foundation
package import Logging
package import Wire

/// Runs a conversation's turn when its inputs are due: one at a time for each conversation, and so
/// many at once on the node. The due times are the control plane's; these timers only follow them.
package actor ConversationScheduler {
  package struct Limits: Hashable, Sendable {
    /// Turns at once.
    package var turns: Int = 256
    /// Conversations with a timer or a turn; beyond, the control plane's `Claim` brings them back.
    package var conversations: Int = 20_000
    /// Inputs of one conversation kept for answering without the control plane.
    package var inputs: Int = 64

    package init() {}
  }

  private struct Conversation {
    var dueAt: ContinuousClock.Instant
    /// Inputs that this node saw and that no turn has answered.
    var inputs: [Bindery_V1_InboundMessage] = []
    /// Asked for again while its turn runs.
    var isAskedAgain = false
    var isRunning = false
  }

  /// Runs one turn.
  package typealias Turn =
    @Sendable (ConversationAddress, [Bindery_V1_InboundMessage]) async -> TurnEnd

  private let limits: Limits
  private let limiter: Limiter
  private let turn: Turn
  private let logger: Logger
  private var conversations: [ConversationAddress: Conversation] = [:]
  private let starts: AsyncStream<ConversationAddress>
  private let start: AsyncStream<ConversationAddress>.Continuation

  package init(limits: Limits = Limits(), logger: Logger, turn: @escaping Turn) {
    self.limits = limits
    self.logger = logger
    self.turn = turn
    limiter = Limiter(limits.turns)
    (starts, start) = AsyncStream.makeStream(
      bufferingPolicy: .bufferingOldest(limits.conversations)
    )
  }

  /// Conversations with a timer or a turn.
  package var count: Int { conversations.count }

  package func isUnderWay(_ address: ConversationAddress) -> Bool {
    conversations[address] != nil
  }

  /// Sees to a turn of this conversation in so many ms.
  ///
  /// - Parameter input: what came in, when this node has it.
  package func schedule(
    _ address: ConversationAddress,
    input: Bindery_V1_InboundMessage? = nil,
    dueInMS: Int64
  ) {
    let dueAt = ContinuousClock.now + .milliseconds(max(0, dueInMS))
    if conversations[address] != nil {
      conversations[address]?.dueAt = dueAt
      conversations[address]?.isAskedAgain = true
      if let input { remember(input, of: address) }
      return
    }
    guard conversations.count < limits.conversations else {
      logger.warning("too many conversations under way: one is left to be claimed")
      return
    }
    conversations[address] = Conversation(dueAt: dueAt)
    if let input { remember(input, of: address) }
    start.yield(address)
  }

  /// Ends `run` once the turns under way are done; timers are dropped.
  package func finish() {
    start.finish()
    for (address, conversation) in conversations where !conversation.isRunning {
      conversations[address] = nil
    }
  }

  /// Runs until `finish`, or until cancelled.
  package func run() async {
    await withDiscardingTaskGroup { group in
      for await address in starts {
        group.addTask { await self.follow(address) }
      }
    }
  }

  private func follow(_ address: ConversationAddress) async {
    do {
      while true {
        guard let conversation = conversations[address] else { return }
        let now = ContinuousClock.now
        if conversation.dueAt > now {
          // In short steps, so that `finish` is not held up by a distant due time.
          try await Task.sleep(
            until: min(conversation.dueAt, now + .milliseconds(250)),
            clock: .continuous
          )
          continue
        }
        try await limiter.acquire()
        guard conversations[address] != nil else {
          limiter.release()
          return
        }
        conversations[address]?.isAskedAgain = false
        conversations[address]?.isRunning = true
        let inputs = conversations[address]?.inputs ?? []
        let end = await turn(address, inputs)
        limiter.release()
        conversations[address]?.isRunning = false
        guard goesOn(address, after: end, with: inputs) else { return }
      }
    } catch {
      conversations[address] = nil
    }
  }

  /// Whether the conversation needs another turn, and when.
  private func goesOn(
    _ address: ConversationAddress,
    after end: TurnEnd,
    with inputs: [Bindery_V1_InboundMessage]
  ) -> Bool {
    let isAskedAgain = conversations[address]?.isAskedAgain ?? false
    switch end.kind {
    case .busy(let dueInMS):
      conversations[address]?.dueAt = .now + .milliseconds(max(50, dueInMS))
      return conversations[address] != nil
    case .waiting: break
    default:
      let done = Set(inputs.map(\.inputID))
      conversations[address]?.inputs.removeAll { done.contains($0.inputID) }
    }
    if let next = end.nextDueInMS {
      conversations[address]?.dueAt = .now + .milliseconds(next)
      return conversations[address] != nil
    }
    if isAskedAgain { return conversations[address] != nil }
    conversations[address] = nil
    return false
  }

  private func remember(_ input: Bindery_V1_InboundMessage, of address: ConversationAddress) {
    guard var inputs = conversations[address]?.inputs else { return }
    guard !inputs.contains(where: { $0.inputID == input.inputID }) else { return }
    inputs.append(input)
    conversations[address]?.inputs = Array(inputs.suffix(limits.inputs))
  }
}
