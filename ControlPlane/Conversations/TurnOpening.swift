internal import Domain
internal import Foundation
internal import Ledger
internal import Postgres
internal import Store
internal import Wire

/// What the function `begin_turn` answers.
struct TurnOpening: Decodable {
  struct Session: Decodable {
    let id: UUID
    let started_ms: Int64
    let last_active_ms: Int64
    let provisional: Bool
    let phone: String
    let name: String
    let locale: String
  }

  struct Input: Decodable {
    let id: UUID
    let message: UUID
    let account: String
    let provider_id: String
    let body: String
    let phone: String
    let name: String
    let received_ms: Int64
    let metadata: JSONValue
  }

  struct Message: Decodable {
    let id: UUID
    let inbound: Bool
    let body: String
    let provider_id: String
    let created_ms: Int64
    let metadata: JSONValue
  }

  struct Step: Decodable {
    let step: Int32
    let kind: String
    let payload: JSONValue
  }

  let disposition: String
  let due_in_ms: Int64?
  let epoch: Int64?
  let user: UUID?
  let turn: UUID?
  let session: Session?
  let inputs: [Input]?
  let history: [Message]?
  let journal: [Step]?

  init(_ row: PostgresRow) throws {
    let json = try row.decode("opening", as: PostgresJSON.self)
    do {
      self = try JSONDecoder().decode(TurnOpening.self, from: Data(json.text.utf8))
    } catch {
      throw StoreError.corrupt(what: "the answer of begin_turn")
    }
  }

  func response(of conversation: Conversation) throws -> Bindery_V1_BeginTurnResponse {
    var response = Bindery_V1_BeginTurnResponse()
    response.dueInMs = due_in_ms ?? 0
    switch disposition {
    case "nothing_due": response.disposition = .nothingDue
    case "busy": response.disposition = .busy
    case "held": response.disposition = .held
    case "refused": response.disposition = .refused
    case "unknown": response.disposition = .unknown
    case "human_owned": response.disposition = .humanOwned
    case "duplicate": response.disposition = .duplicate
    case "leased":
      guard let epoch, let user, let turn, let session, let inputs else {
        throw StoreError.corrupt(what: "the answer of begin_turn")
      }
      response.disposition = .leased
      response.epoch = epoch
      response.userID = UserID(user).data
      response.turnID = TurnID(turn).data
      response.session = session.wire(of: conversation)
      response.inputs = try inputs.map { try $0.wire }
      response.history = try (history ?? []).map { try $0.wire }
      response.journal = try (journal ?? []).map { try $0.wire }
    default: throw StoreError.corrupt(what: "the answer of begin_turn")
    }
    return response
  }
}

extension TurnOpening.Session {
  fileprivate func wire(of conversation: Conversation) -> Bindery_V1_SessionRecord {
    var record = Bindery_V1_SessionRecord()
    record.sessionID = SessionID(id).data
    record.channel = conversation.channel
    record.externalID = conversation.externalID
    record.phone = phone
    record.displayName = name
    record.startedAtMs = started_ms
    record.lastActiveAtMs = last_active_ms
    record.provisional = provisional
    record.locale = locale
    return record
  }
}

extension TurnOpening.Input {
  fileprivate var wire: Bindery_V1_InboundMessage {
    get throws {
      var message = Bindery_V1_InboundMessage()
      message.inputID = InputID(id).data
      message.messageID = MessageID(self.message).data
      message.channelAccount = account
      message.providerMessageID = provider_id
      message.body = body
      message.receivedAtMs = received_ms
      message.phone = phone
      message.displayName = name
      message.metadataJson = try metadata.wireText
      return message
    }
  }
}

extension TurnOpening.Message {
  fileprivate var wire: Bindery_V1_MessageRecord {
    get throws {
      var record = Bindery_V1_MessageRecord()
      record.messageID = MessageID(id).data
      record.inbound = inbound
      record.body = body
      record.createdAtMs = created_ms
      record.providerMessageID = provider_id
      record.metadataJson = try metadata.wireText
      return record
    }
  }
}

extension TurnOpening.Step {
  fileprivate var wire: Bindery_V1_JournalEntry {
    get throws {
      var entry = Bindery_V1_JournalEntry()
      entry.step = step
      entry.kind = kind
      entry.payloadJson = try payload.wireText
      return entry
    }
  }
}

extension JSONValue {
  /// JSON text; empty for an object that holds nothing.
  fileprivate var wireText: String {
    get throws { self == .object([:]) ? "" : try postgres.text }
  }
}
