package import Domain
internal import Foundation
package import Wire

/// Names a conversation: one person talking to one binding on one channel.
package struct ConversationAddress: Hashable, Sendable {
  package var tenantID: TenantID
  package var bindingID: BindingID
  /// "whatsapp" or "web".
  package var channel: String
  /// The person, in the channel's terms.
  package var externalID: String

  package init(tenantID: TenantID, bindingID: BindingID, channel: String, externalID: String) {
    self.tenantID = tenantID
    self.bindingID = bindingID
    self.channel = channel
    self.externalID = externalID
  }

  /// Reads the wire form; nil when an id is not 16 bytes long.
  package init?(_ wire: Bindery_V1_ConversationKey) {
    guard let tenant = TenantID(bytes: wire.tenantID),
      let binding = BindingID(bytes: wire.bindingID)
    else { return nil }
    self.init(
      tenantID: tenant,
      bindingID: binding,
      channel: wire.channel,
      externalID: wire.externalID
    )
  }

  package var wire: Bindery_V1_ConversationKey {
    var key = Bindery_V1_ConversationKey()
    key.tenantID = tenantID.data
    key.bindingID = bindingID.data
    key.channel = channel
    key.externalID = externalID
    return key
  }
}
