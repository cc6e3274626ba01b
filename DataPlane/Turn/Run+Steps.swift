internal import Domain
internal import Foundation
internal import Logging
internal import Models
internal import Spool
internal import Subscription
internal import Tools
internal import Wire

extension Run {
  // MARK: - Long steps, under the lease

  mutating func callModel(_ request: ModelRequest) async -> Outcome {
    let (services, plan, streamer) = (services, plan, streamer)
    let gate = gateReader
    streamer.beginCall()
    let (report, isLost) = await underLease {
      await services.models.call(request, for: plan.binding, mayCall: { gate().isOpen }) { piece in
        // Each piece that leaves is a send: the switch is read before it.
        guard gate().isOpen else { throw CancellationError() }
        await streamer.push(piece)
      }
    }
    if isLost { return .interrupted(.leaseLost, attempts: report.attempts) }
    switch report.result {
    case .answered(let answer):
      return .event(
        .modelAnswered(answer, attempts: report.attempts, released: streamer.released)
      )
    case .failed(let afterOutput, let mayRetry):
      streamer.forgetCall()
      return .event(
        .modelFailed(
          afterOutput: afterOutput,
          mayRetry: mayRetry,
          attempts: report.attempts,
          released: streamer.released
        )
      )
    case .cancelled:
      let cause: TurnInterruption = Task.isCancelled ? .stopped : .gateClosed
      return .interrupted(cause, attempts: report.attempts)
    }
  }

  mutating func runTool(_ call: ToolInvocation, key: String) async -> Outcome {
    let (services, plan) = (services, plan)
    let (outcome, isLost) = await underLease { () -> ToolOutcome? in
      do {
        return try await services.tools.run(
          call,
          of: plan.binding.agent.tools,
          tenant: plan.address.tenantID,
          tenantSlug: plan.binding.binding.tenantSlug,
          idempotencyKey: key
        )
      } catch {
        return nil  // Cancelled: the only error there is.
      }
    }
    if isLost { return .interrupted(.leaseLost, attempts: []) }
    guard let outcome else { return .interrupted(.stopped, attempts: []) }
    return .event(.toolFinished(outcome))
  }

  private var gateReader: @Sendable () -> TurnGate {
    let (configuration, address) = (services.configuration, plan.address)
    return {
      TurnGate.read(configuration, tenant: address.tenantID, binding: address.bindingID)
    }
  }

  /// Runs a step while the lease is renewed; the step is cancelled when the lease is lost.
  private mutating func underLease<Value: Sendable>(
    _ step: @escaping @Sendable () async -> Value
  ) async -> (Value, isLost: Bool) {
    guard let lease else { return (await step(), false) }
    let services = services
    let (value, kept, isLost) = await withTaskGroup(of: LeasedPart<Value>.self) { group in
      group.addTask { .step(await step()) }
      group.addTask {
        var lease = lease
        do {
          try await lease.keep(services.conversations, services.logger)
          return .lease(lease, isLost: true)
        } catch {
          return .lease(lease, isLost: false)
        }
      }
      var value: Value?
      var kept = (lease, false)
      for await part in group {
        switch part {
        case .step(let it): value = it
        case .lease(let it, let isLost): kept = (it, isLost)
        }
        group.cancelAll()
      }
      return (value, kept.0, kept.1)
    }
    self.lease = kept
    // The group ends only after its step; without a value there is nothing but to run it here.
    guard let value else { return (await step(), isLost) }
    return (value, isLost)
  }

  // MARK: - Calls

  func journal(_ entry: Bindery_V1_JournalEntry) async -> TurnEvent {
    guard let lease, let ground = machine.ground else { return .journalUnavailable }
    var request = Bindery_V1_JournalRequest()
    request.conversation = plan.address.wire
    request.epoch = lease.epoch
    request.turnID = ground.turnID.data
    request.entry = entry
    do {
      return .journaled(try await services.conversations.journal(request).accepted)
    } catch {
      return .journalUnavailable
    }
  }

  mutating func append(_ record: Bindery_V1_TurnRecord) async -> TurnEvent {
    do {
      let place = try await services.spool.append(record)
      if !record.inputs.isEmpty {
        sequence = place
        await noteAnswered(record)
      }
      return .appended
    } catch {
      services.logger.error(
        "a turn's record could not be stored",
        metadata: ["turn": "\(plan.turnID)", "why": "\(error)"]
      )
      return .appendFailed
    }
  }

  /// From here on the spool carries the answer: these inputs are never answered again.
  private func noteAnswered(_ record: Bindery_V1_TurnRecord) async {
    services.memory.add(plan.address, session: record.session, messages: record.messages)
    for input in record.inputs {
      services.memory.noteAnswered(input.inputID)
      do {
        try await services.inbox.settle(Array(input.inputID))
      } catch {
        services.logger.error(
          "the inbox could not note an answered input",
          metadata: ["why": "\(error)"]
        )
      }
    }
  }

  /// Commits; once more when the answer does not come, because a repeat is answered as such.
  mutating func commit(_ request: Bindery_V1_CommitTurnRequest) async -> TurnEvent {
    for attempt in 1 ... 2 {
      do {
        let response = try await services.conversations.commitTurn(request)
        if let sequence { await services.spool.markCommitted(sequence) }
        return .committed(response)
      } catch let failure as ConversationFailure where failure.code == .refused {
        services.logger.error(
          "the control plane refused a commit",
          metadata: ["turn": "\(plan.turnID)", "why": "\(failure)"]
        )
        return .commitUnavailable
      } catch {
        services.logger.notice(
          "no answer to a commit",
          metadata: ["turn": "\(plan.turnID)", "attempt": "\(attempt)", "why": "\(error)"]
        )
        if Task.isCancelled { break }
      }
    }
    return .commitUnavailable
  }

  func send(_ message: OutboundMessage) async -> SendOutcome {
    guard case .message(let sender) = delivery else {
      return SendOutcome(state: .failed(error: "no_sender"), attempts: 0)
    }
    let gate = gateReader
    return await sender.send(message, gate: { gate().isOpen })
  }

  func settle(_ outbox: Bindery_V1_OutboxRecord) async {
    await OutboxSettling.settle(
      outbox,
      tenant: plan.address.tenantID,
      services.conversations,
      services.logger
    )
  }
}

/// What ends first: the step, or the lease that it runs under.
private enum LeasedPart<Value: Sendable>: Sendable {
  case step(Value)
  case lease(SessionLease, isLost: Bool)
}

/// Tells the control plane what became of a send.
enum OutboxSettling {
  /// Tries three times; a settle that never arrives leaves the row for `Claim`'s status echo.
  static func settle(
    _ outbox: Bindery_V1_OutboxRecord,
    tenant: TenantID,
    _ conversations: any ConversationCalls,
    _ logger: Logger
  ) async {
    var request = Bindery_V1_SettleOutboxRequest()
    request.tenantID = tenant.data
    request.outbox = outbox
    for attempt in 1 ... 3 {
      do {
        return try await conversations.settleOutbox(request)
      } catch {
        logger.notice(
          "a send could not be settled",
          metadata: ["attempt": "\(attempt)", "why": "\(error)"]
        )
      }
      do {
        try await Task.sleep(for: .milliseconds(100 * attempt))
      } catch {
        return
      }
    }
  }
}
