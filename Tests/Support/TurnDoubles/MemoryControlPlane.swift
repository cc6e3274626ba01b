internal import Domain
internal import Foundation
internal import Synchronization
package import Turn
package import Wire

/// Conversations kept in memory, with the control plane's rules: leases, epochs, duplicates.
package final class MemoryControlPlane: ConversationCalls {
  package struct State: Sendable {
    package var isAway = false
    /// Accept refuses the messages of these ids.
    package var refusedMessages: Set<String> = []
    /// Answers CommitTurn with this instead of committing.
    package var commitDisposition: Bindery_V1_CommitTurnResponse.Disposition?
    package var beginDisposition: Bindery_V1_BeginTurnResponse.Disposition?
    package var renews = true
    package var acceptsJournal = true
    package var due: [ConversationAddress: [Bindery_V1_InboundMessage]] = [:]
    package var messages: [ConversationAddress: [Bindery_V1_MessageRecord]] = [:]
    package var sessions: [ConversationAddress: Bindery_V1_SessionRecord] = [:]
    package var journal: [ConversationAddress: [Bindery_V1_JournalEntry]] = [:]
    package var leased: [ConversationAddress: Int64] = [:]
    package var epoch: Int64 = 0
    package var seen: Set<String> = []
    package var commits: [Bindery_V1_TurnRecord] = []
    package var settled: [Bindery_V1_OutboxRecord] = []
    package var accepts = 0
    package var begins = 0
    /// Claim streams that were opened; each stays open until it is cancelled when `keepsClaiming`.
    package var claims = 0
    package var keepsClaiming = false
    /// Runs before a commit is answered.
    package var onCommit: (@Sendable () -> Void)?
    /// All entries that were taken, in order.
    package var journaled: [Bindery_V1_JournalEntry] = []
  }

  private let state = Mutex(State())
  private let dueInMS: Int64

  package init(dueInMS: Int64 = 0) { self.dueInMS = dueInMS }

  package func read<Value: Sendable>(_ body: @Sendable (inout State) -> Value) -> Value {
    state.withLock { body(&$0) }
  }

  private func present<Value: Sendable>(_ body: (inout State) throws -> Value) throws -> Value {
    try state.withLock { state in
      guard !state.isAway else {
        throw ConversationFailure(code: .unavailable, message: "away")
      }
      return try body(&state)
    }
  }

  package func accept(
    _ request: Bindery_V1_AcceptRequest
  ) async throws -> Bindery_V1_AcceptResponse {
    let address = try address(request.conversation)
    return try present { state in
      state.accepts += 1
      guard !state.refusedMessages.contains(request.message.providerMessageID) else {
        throw ConversationFailure(code: .refused, message: "may not")
      }
      var response = Bindery_V1_AcceptResponse()
      guard state.seen.insert(request.message.providerMessageID).inserted else {
        response.disposition = .duplicate
        return response
      }
      state.due[address, default: []].append(request.message)
      response.disposition = .accepted
      response.dueInMs = dueInMS
      return response
    }
  }

  package func beginTurn(
    _ request: Bindery_V1_BeginTurnRequest
  ) async throws -> Bindery_V1_BeginTurnResponse {
    let address = try address(request.conversation)
    return try present { state in
      var response = Bindery_V1_BeginTurnResponse()
      state.begins += 1
      if request.hasMessage {
        let id = request.message.providerMessageID
        guard id.isEmpty || state.seen.insert(id).inserted else {
          response.disposition = .duplicate
          return response
        }
        state.due[address, default: []].append(request.message)
      }
      if let forced = state.beginDisposition {
        response.disposition = forced
        response.dueInMs = 50
        return response
      }
      if state.leased[address] != nil {
        response.disposition = .busy
        response.dueInMs = 50
        return response
      }
      guard let inputs = state.due[address], !inputs.isEmpty else {
        response.disposition = .nothingDue
        return response
      }
      state.epoch += 1
      state.leased[address] = state.epoch
      var session = Bindery_V1_SessionRecord()
      session.sessionID = request.newSessionID
      session.channel = address.channel
      session.externalID = address.externalID
      session.locale = request.locale
      response.disposition = .leased
      response.epoch = state.epoch
      response.session = state.sessions[address] ?? session
      state.sessions[address] = response.session
      response.inputs = inputs
      response.history = state.messages[address] ?? []
      response.journal = state.journal[address] ?? []
      response.turnID = request.turnID
      return response
    }
  }

  package func renew(
    _ request: Bindery_V1_RenewRequest
  ) async throws -> Bindery_V1_RenewResponse {
    try present { state in
      var response = Bindery_V1_RenewResponse()
      response.renewed = state.renews
      return response
    }
  }

  package func journal(
    _ request: Bindery_V1_JournalRequest
  ) async throws -> Bindery_V1_JournalResponse {
    let address = try address(request.conversation)
    return try present { state in
      var response = Bindery_V1_JournalResponse()
      response.accepted = state.acceptsJournal
      if response.accepted {
        state.journal[address, default: []].append(request.entry)
        state.journaled.append(request.entry)
      }
      return response
    }
  }

  package func commitTurn(
    _ request: Bindery_V1_CommitTurnRequest
  ) async throws -> Bindery_V1_CommitTurnResponse {
    let address = try address(request.conversation)
    state.withLock { $0.onCommit }?()
    return try present { state in
      var response = Bindery_V1_CommitTurnResponse()
      response.nextDueInMs = -1
      if let forced = state.commitDisposition {
        response.disposition = forced
        return response
      }
      guard state.leased[address] == request.epoch else {
        response.disposition = .fenced
        return response
      }
      let answered = Set(request.inputIds)
      state.due[address]?.removeAll { answered.contains($0.inputID) }
      state.leased[address] = nil
      state.journal[address] = nil
      state.messages[address, default: []] += request.record.messages
      state.commits.append(request.record)
      response.disposition = .committed
      if let due = state.due[address], !due.isEmpty { response.nextDueInMs = 0 }
      return response
    }
  }

  package func settleOutbox(_ request: Bindery_V1_SettleOutboxRequest) async throws {
    try present { $0.settled.append(request.outbox) }
  }

  package func claim(
    _ request: Bindery_V1_ClaimRequest,
    onWork: @Sendable (Bindery_V1_ClaimResponse) async -> Void
  ) async throws {
    let (due, keeps) = try present { state in
      state.claims += 1
      return (state.due.filter { !$0.value.isEmpty }.map(\.key), state.keepsClaiming)
    }
    for address in due {
      var work = Bindery_V1_ClaimResponse()
      work.conversation = address.wire
      work.reason = .due
      await onWork(work)
    }
    try await Task.sleep(for: keeps ? .seconds(3_600) : .milliseconds(50))
  }

  private func address(_ key: Bindery_V1_ConversationKey) throws -> ConversationAddress {
    guard let address = ConversationAddress(key) else {
      throw ConversationFailure(code: .refused, message: "not a conversation")
    }
    return address
  }
}
