internal import Domain
internal import Foundation
internal import Logging
internal import Spool
internal import Subscription
package import Turn
package import Wire

/// A node's turn services on doubles, with one sample tenant.
package struct TurnHarness: Sendable {
  package var tenant: SampleTenant
  package var configuration: TestConfiguration
  package var controlPlane: MemoryControlPlane
  package var spool = MemorySpool()
  package var inbox = MemoryInbox()
  package var model: ScriptedModel
  package var tools = RecordingTools()
  package var sender = CollectingSender()
  package var services: TurnServices
  package var runner: TurnRunner

  package init(
    tenant: SampleTenant = SampleTenant(),
    model: ScriptedModel = ScriptedModel(.pieces(["Hi!"])),
    controlPlane: MemoryControlPlane = MemoryControlPlane(),
    guards: WordGuards = WordGuards(),
    sender: CollectingSender = CollectingSender()
  ) {
    self.tenant = tenant
    self.model = model
    self.controlPlane = controlPlane
    self.sender = sender
    configuration = TestConfiguration(tenant)
    services = TurnServices(
      nodeID: "node-a",
      configuration: configuration,
      conversations: controlPlane,
      spool: spool,
      inbox: inbox,
      models: model,
      tools: tools,
      guards: guards,
      memory: ConversationMemory(),
      logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }),
      nowMS: { Int64(Date().timeIntervalSince1970 * 1_000) },
      mint: { UUID() }
    )
    runner = TurnRunner(services)
  }

  /// Puts other configuration in place of the sample tenant's own.
  package mutating func use(_ configuration: TestConfiguration) {
    self.configuration = configuration
    services.configuration = configuration
    runner = TurnRunner(services)
  }

  package func address(_ channel: String, _ user: String = "919812345678") -> ConversationAddress {
    ConversationAddress(
      tenantID: tenant.tenant.tenantID,
      bindingID: tenant.binding.binding.bindingID,
      channel: channel,
      externalID: user
    )
  }

  package func message(
    _ body: String,
    id: String = UUID().uuidString,
    account: String = ""
  )
    -> Bindery_V1_InboundMessage
  {
    var message = Bindery_V1_InboundMessage()
    message.inputID = InputID(UUID()).data
    message.messageID = MessageID(UUID()).data
    message.channelAccount = account
    message.providerMessageID = id
    message.body = body
    message.receivedAtMs = services.nowMS()
    return message
  }
}
