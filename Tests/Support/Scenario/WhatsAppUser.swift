internal import Crypto
package import Domain
package import Foundation

/// A number that a tenant answers on, and what the vendor knows about it.
package struct WhatsAppAccount: Sendable {
  package var tenant: String
  /// In the webhook's path.
  package var slug: String
  package var displayNumber: String
  package var phoneNumberID: String
  package var appSecret: String
  package var verifyToken: String

  package init(
    tenant: String,
    slug: String,
    displayNumber: String,
    phoneNumberID: String,
    appSecret: String,
    verifyToken: String
  ) {
    self.tenant = tenant
    self.slug = slug
    self.displayNumber = displayNumber
    self.phoneNumberID = phoneNumberID
    self.appSecret = appSecret
    self.verifyToken = verifyToken
  }
}

/// A webhook call as the vendor makes it.
package struct WhatsAppDelivery: Sendable {
  package var account: WhatsAppAccount
  package var body: Data
  /// The header's value; nil sends none.
  package var signature: String?

  /// A text message from `phone`, signed as the vendor signs it.
  package init(text: String, from phone: String, to account: WhatsAppAccount, id: String) throws {
    let message: JSONValue = [
      "from": .string(phone), "id": .string(id),
      "timestamp": .string(String(Int(Date().timeIntervalSince1970))), "type": "text",
      "text": ["body": .string(text)],
    ]
    try self.init(messages: [message], from: phone, to: account)
  }

  /// Messages of any type.
  package init(messages: [JSONValue], from phone: String, to account: WhatsAppAccount) throws {
    let payload: JSONValue = [
      "object": "whatsapp_business_account",
      "entry": [
        [
          "id": "WABA",
          "changes": [
            [
              "field": "messages",
              "value": [
                "messaging_product": "whatsapp",
                "metadata": [
                  "display_phone_number": .string(account.displayNumber),
                  "phone_number_id": .string(account.phoneNumberID),
                ],
                "contacts": [
                  ["profile": ["name": "Asha"], "wa_id": .string(phone)]
                ],
                "messages": .array(messages),
              ],
            ]
          ],
        ]
      ],
    ]
    self.init(body: try JSONEncoder().encode(payload), to: account)
  }

  /// Any bytes, signed.
  package init(body: Data, to account: WhatsAppAccount) {
    self.account = account
    self.body = body
    signature = Self.signature(of: body, secret: account.appSecret)
  }

  /// `sha256=` and the HMAC-SHA256 of the body in lower-case hex.
  package static func signature(of body: Data, secret: String) -> String {
    let code = HMAC<SHA256>.authenticationCode(
      for: body,
      using: SymmetricKey(data: Data(secret.utf8))
    )
    return "sha256="
      + code.map { byte in
        let digits = String(byte, radix: 16)
        return byte < 16 ? "0" + digits : digits
      }.joined()
  }

  /// Delivers it to a node.
  package func post(to edge: String, tellsLength: Bool = true) async throws -> HTTPAnswer {
    var headers = ["content-type": "application/json"]
    if let signature { headers["x-hub-signature-256"] = signature }
    return try await httpCall(
      "POST",
      "\(edge)/webhooks/whatsapp/\(account.slug)",
      headers: headers,
      body: body,
      tellsLength: tellsLength
    )
  }
}
