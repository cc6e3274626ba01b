internal import Domain
internal import Foundation

/// What a webhook delivery holds that concerns us: one part for each number.
struct WebhookPayload {
  struct Part: Hashable {
    /// Digits only.
    var displayNumber: String
    var phoneNumberID: String
    var messages: [Message] = []
    var echoes: [Echo] = []
  }

  struct Message: Hashable {
    /// The person: digits of a phone, or a business-scoped user id.
    var from: String
    var id: String
    var type: String
    var text: String
    /// Digits; empty when WhatsApp does not tell.
    var phone: String
    var name: String
  }

  /// A status of one of our sends.
  struct Echo: Hashable {
    enum Status: String {
      case sent
      case delivered
      case read
      case failed
    }
    var status: Status
    var providerMessageID: String
    /// `biz_opaque_callback_data`: our outbox id.
    var callback: String
    /// Vendor's code of a failure; 0 when none came.
    var errorCode: Int64
  }

  var parts: [Part] = []
  /// Updates of kinds that are passed over.
  var ignored = 0

  /// nil when it is no JSON object.
  init?(_ body: Data) {
    let root: JSONValue
    do {
      root = try JSONDecoder().decode(JSONValue.self, from: body)
    } catch {
      return nil
    }
    guard root.objectValue != nil else { return nil }
    for entry in root["entry"]?.arrayValue ?? [] {
      for change in entry["changes"]?.arrayValue ?? [] {
        guard change["field"]?.stringValue == "messages", let value = change["value"] else {
          ignored += 1
          continue
        }
        add(value)
      }
    }
  }

  private mutating func add(_ value: JSONValue) {
    var part = Part(
      displayNumber: Self.digits(value["metadata"]?["display_phone_number"]?.stringValue),
      phoneNumberID: value["metadata"]?["phone_number_id"]?.stringValue ?? ""
    )
    let contacts = value["contacts"]?.arrayValue ?? []
    for message in value["messages"]?.arrayValue ?? [] {
      if let message = Self.message(message, contacts: contacts) {
        part.messages.append(message)
      } else {
        ignored += 1
      }
    }
    for status in value["statuses"]?.arrayValue ?? [] {
      guard let kind = Echo.Status(rawValue: status["status"]?.stringValue ?? "") else {
        ignored += 1
        continue
      }
      part.echoes.append(
        Echo(
          status: kind,
          providerMessageID: status["id"]?.stringValue ?? "",
          callback: status["biz_opaque_callback_data"]?.stringValue ?? "",
          errorCode: status["errors"]?.arrayValue?.first?["code"]?.intValue ?? 0
        )
      )
    }
    if !part.messages.isEmpty || !part.echoes.isEmpty { parts.append(part) }
  }

  /// nil for what nobody answers: reactions, edits, system notes, unknown types, malformed ones.
  private static func message(_ value: JSONValue, contacts: [JSONValue]) -> Message? {
    guard let id = value["id"]?.stringValue, !id.isEmpty,
      let type = value["type"]?.stringValue, let text = text(of: value, type: type)
    else { return nil }
    let phone = digits(value["from"]?.stringValue)
    let userID = value["from_user_id"]?.stringValue ?? ""
    let contact =
      contacts.first { contact in
        (!phone.isEmpty && digits(contact["wa_id"]?.stringValue) == phone)
          || (!userID.isEmpty && contact["user_id"]?.stringValue == userID)
      } ?? (contacts.count == 1 ? contacts.first : nil)
    // Users with a username come without a number: then the business-scoped id names them.
    let scopedID = userID.isEmpty ? contact?["user_id"]?.stringValue ?? "" : userID
    let from = phone.isEmpty ? scopedID : phone
    guard !from.isEmpty else { return nil }
    return Message(
      from: from,
      id: id,
      type: type,
      text: String(text.prefix(8_192)),
      phone: phone,
      name: String((contact?["profile"]?["name"]?.stringValue ?? "").prefix(200))
    )
  }

  /// What the persona is told. What it can't see or hear is named in brackets, so that it can say so.
  private static func text(of value: JSONValue, type: String) -> String? {
    let content = value[type]
    switch type {
    case "text": return nonEmpty(content?["body"]?.stringValue)
    case "button": return nonEmpty(content?["text"]?.stringValue)
    case "interactive":
      let reply = content?["button_reply"] ?? content?["list_reply"]
      return nonEmpty(reply?["title"]?.stringValue)
    case "location":
      guard let latitude = content?["latitude"]?.doubleValue,
        let longitude = content?["longitude"]?.doubleValue
      else { return nil }
      return "[location: \(latitude), \(longitude)]"
    case "image", "video", "document", "sticker":
      guard let caption = nonEmpty(content?["caption"]?.stringValue) else { return "[\(type)]" }
      return "[\(type)] \(caption)"
    case "audio": return "[voice message]"
    case "contacts": return "[contact card]"
    default: return nil
    }
  }

  private static func nonEmpty(_ text: String?) -> String? {
    guard let text, !text.allSatisfy(\.isWhitespace) else { return nil }
    return text
  }

  private static func digits(_ text: String?) -> String {
    String((text ?? "").filter { ("0" ... "9").contains($0) })
  }
}
