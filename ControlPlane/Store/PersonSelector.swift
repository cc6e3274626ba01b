package import Domain
package import Foundation

/// Names one person of one tenant, by one of the ways in which people are known.
package struct PersonSelector: Sendable {
  package let tenant: TenantID
  /// Empty, or digits.
  let phone: String
  let user: UUID?
  let channel: String
  let externalID: String

  /// - Returns: nil unless `phone` holds 6 to 15 digits; signs and spaces between them don't count.
  package init?(phone: String, of tenant: TenantID) {
    let digits = phone.filter { !" +-().".contains($0) }
    guard (6 ... 15).contains(digits.utf8.count),
      digits.utf8.allSatisfy({ (48 ... 57).contains($0) })
    else { return nil }
    self.init(tenant: tenant, phone: digits)
  }

  package init(user: UUID, of tenant: TenantID) {
    self.init(tenant: tenant, user: user)
  }

  /// - Parameters:
  ///   - channel: "whatsapp" or "web".
  ///   - externalID: As the channel names the person.
  /// - Returns: nil for another channel, or an id that no channel gives.
  package init?(channel: String, externalID: String, of tenant: TenantID) {
    guard channel == "whatsapp" || channel == "web", !externalID.isEmpty,
      externalID.utf8.count <= 512, !externalID.utf8.contains(0)
    else { return nil }
    self.init(tenant: tenant, channel: channel, externalID: externalID)
  }

  private init(
    tenant: TenantID,
    phone: String = "",
    user: UUID? = nil,
    channel: String = "",
    externalID: String = ""
  ) {
    self.tenant = tenant
    self.phone = phone
    self.user = user
    self.channel = channel
    self.externalID = externalID
  }

  /// Whether a text for the records names the person: reasons outlive what is erased.
  package func isNamed(in text: String) -> Bool {
    if let user, text.lowercased().contains(user.uuidString.lowercased()) { return true }
    if !externalID.isEmpty, text.contains(externalID) { return true }
    let digits = text.filter { !" +-().".contains($0) }
    return !phone.isEmpty && digits.contains(phone)
  }
}
