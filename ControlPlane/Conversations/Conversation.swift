internal import Domain
internal import Foundation
internal import Ledger
internal import Postgres
internal import Wire

/// A conversation as a request names it.
struct Conversation: Sendable {
  let tenantID: TenantID
  let bindingID: BindingID
  let channel: String
  let externalID: String

  init(_ key: Bindery_V1_ConversationKey) throws {
    guard let tenant = TenantID(bytes: key.tenantID) else {
      throw ConversationError.malformed(field: "conversation.tenant_id")
    }
    guard let binding = BindingID(bytes: key.bindingID) else {
      throw ConversationError.malformed(field: "conversation.binding_id")
    }
    guard key.channel == "whatsapp" || key.channel == "web" else {
      throw ConversationError.malformed(field: "conversation.channel")
    }
    guard !key.externalID.isEmpty, key.externalID.utf8.count <= 512,
      !key.externalID.utf8.contains(0)
    else { throw ConversationError.malformed(field: "conversation.external_id") }
    tenantID = tenant
    bindingID = binding
    channel = key.channel
    externalID = key.externalID
  }

  /// `binding, channel, person`: the first three arguments of the conversation functions.
  var arguments: SQL {
    "\(bindingID.uuid)::uuid, \(channel)::text, \(externalID)::text"
  }
}

extension Bindery_V1_InboundMessage {
  /// What `add_input` reads. A message without an id of its provider is known by its input id.
  func json() throws -> JSONValue {
    let id = try RecordField.uuid(inputID, "message.input_id").uuidString.lowercased()
    return .object([
      "id": .string(id),
      "message": try RecordField.id(messageID, "message.message_id"),
      "account": RecordField.text(channelAccount),
      "provider_id": RecordField.text(providerMessageID.isEmpty ? id : providerMessageID),
      "body": RecordField.text(body), "phone": RecordField.text(phone),
      "name": RecordField.text(displayName), "received_ms": .int(receivedAtMs),
      "metadata": try RecordField.json(metadataJson, empty: .object([:]), "message.metadata_json"),
    ])
  }
}

extension JSONValue {
  /// As an argument of type `jsonb`.
  var postgres: PostgresJSON {
    get throws {
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
      return PostgresJSON(String(decoding: try encoder.encode(self), as: UTF8.self))
    }
  }
}
