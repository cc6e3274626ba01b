internal import Domain
internal import Foundation
internal import HTTPTypes
internal import Logging
internal import Secrets
internal import Subscription
internal import Turn
internal import Wire

/// The webhook of one WhatsApp account, without HTTP: what comes in, and the status to answer.
struct WhatsAppWebhook: Sendable {
  struct Answer: Hashable {
    var status: HTTPResponse.Status
    var body: String

    static let ok = Answer(status: .ok, body: "ok\n")
    /// The same for unknown accounts, those of archived tenants and those of inactive bindings.
    static let notFound = Answer(status: .notFound, body: EdgeText.notFound)
    static let tryAgain = Answer(status: .serviceUnavailable, body: "try again\n")
  }

  let services: ChannelServices
  let notices: WhatsAppNotices
  let unrouted: UnroutedNumbers

  /// The handshake: a matching token gets the challenge back.
  func verify(account slug: String, query: [String: String]) async -> Answer {
    guard let account = account(slug) else { return .notFound }
    guard query["hub.mode"] == "subscribe", let token = query["hub.verify_token"],
      let challenge = query["hub.challenge"], challenge.utf8.count <= 1_024
    else { return Answer(status: .badRequest, body: "hub.* parameters are missing\n") }
    guard let expected = await secret(account.verifyTokenRef, of: account) else {
      return .tryAgain
    }
    guard WebhookSignature.areEqual(token, expected) else {
      services.metrics.count(#"bindery_webhook_refused_total{why="token"}"#)
      return Answer(status: .forbidden, body: "the token does not match\n")
    }
    return Answer(status: .ok, body: challenge)
  }

  /// A delivery. 200 only once each message is stored somewhere durable.
  func deliver(account slug: String, body: Data, signature: String?) async -> Answer {
    guard let account = account(slug) else { return .notFound }
    guard let appSecret = await secret(account.appSecretRef, of: account) else {
      return .tryAgain
    }
    switch WebhookSignature.check(signature, body: body, secret: appSecret) {
    case .good: break
    case .missing:
      services.metrics.count(#"bindery_webhook_refused_total{why="unsigned"}"#)
      return Answer(status: .unauthorized, body: "X-Hub-Signature-256 is missing\n")
    case .wrong:
      services.metrics.count(#"bindery_webhook_refused_total{why="signature"}"#)
      return Answer(status: .forbidden, body: "X-Hub-Signature-256 does not match\n")
    }
    guard let payload = WebhookPayload(body) else {
      return Answer(status: .badRequest, body: "the body is no JSON object\n")
    }
    services.metrics.count("bindery_webhook_ignored_total", by: payload.ignored)
    var isStored = true
    for part in payload.parts {
      // One tenant's secret can't speak for another's number.
      guard part.phoneNumberID == account.phoneNumberID,
        part.displayNumber == account.displayNumber
      else {
        services.metrics.count("bindery_webhook_foreign_number_total")
        continue
      }
      for echo in part.echoes { take(echo, account) }
      for message in part.messages where !(await take(message, account)) { isStored = false }
    }
    return isStored ? .ok : .tryAgain
  }

  // MARK: - Messages

  /// False when the message has to be delivered again.
  private func take(
    _ message: WebhookPayload.Message,
    _ account: ChannelAccountResource
  ) async
    -> Bool
  {
    let configuration = services.turns.configuration
    guard
      let route = services.openRoute(channel: "whatsapp", key: account.displayNumber),
      route.tenantID == account.tenantID
    else {
      // Its route may be on its way here; WhatsApp delivers it again until then.
      if unrouted.isGivenUp(account.displayNumber, atMS: services.turns.nowMS()) {
        services.metrics.count("bindery_webhook_unrouted_total")
        return true
      }
      return false
    }
    unrouted.forget(account.displayNumber)
    let address = ConversationAddress(
      tenantID: route.tenantID,
      bindingID: route.bindingID,
      channel: "whatsapp",
      externalID: message.from
    )
    if case .paused(.refuse, let text) = configuration.gate(route.tenantID) {
      return refuse(message, account, address, text)
    }
    let outcome = await services.intake.take(inbound(message, account), in: address)
    services.metrics.count(#"bindery_messages_in_total{channel="whatsapp"}"#)
    switch outcome {
    case .stored, .held, .unknown: return true
    case .duplicate:
      services.metrics.count(#"bindery_duplicates_total{channel="whatsapp"}"#)
      return true
    case .refused:
      let text = configuration.snapshot.tenant(route.tenantID)?.pausedMessage ?? [:]
      return refuse(message, account, address, text)
    case .unavailable: return false
    }
  }

  private func refuse(
    _ message: WebhookPayload.Message,
    _ account: ChannelAccountResource,
    _ address: ConversationAddress,
    _ texts: LocalizedText
  ) -> Bool {
    let memory = services.turns.memory
    // A repeated delivery is not told again.
    guard !memory.hasSeen(tenant: address.tenantID, account: account.slug, message: message.id)
    else { return true }
    memory.noteSeen(tenant: address.tenantID, account: account.slug, message: message.id)
    services.metrics.count(#"bindery_refused_total{channel="whatsapp"}"#)
    let languages =
      services.turns.configuration.snapshot.binding(address.bindingID)?.human.languages ?? []
    let text = ReplyLanguage.text(
      texts,
      language: ReplyLanguage.choose(locale: "", text: message.text, languages: languages)
    )
    guard !text.isEmpty else { return true }
    notices.enqueue(
      .pausedMessage(
        OutboundMessage(
          tenantID: address.tenantID,
          bindingID: address.bindingID,
          outboxID: OutboxID(services.turns.mint()),
          channelAccount: account.slug,
          recipient: message.from,
          text: text,
          replyTo: message.id
        )
      )
    )
    return true
  }

  private func inbound(
    _ message: WebhookPayload.Message,
    _ account: ChannelAccountResource
  ) -> Bindery_V1_InboundMessage {
    var inbound = Bindery_V1_InboundMessage()
    inbound.inputID = InputID(services.turns.mint()).data
    inbound.messageID = MessageID(services.turns.mint()).data
    inbound.channelAccount = account.slug
    inbound.providerMessageID = message.id
    inbound.body = message.text
    inbound.receivedAtMs = services.turns.nowMS()
    inbound.phone = message.phone
    inbound.displayName = message.name
    if message.type != "text" { inbound.metadataJson = #"{"type":"\#(message.type)"}"# }
    return inbound
  }

  // MARK: - Statuses

  private func take(_ echo: WebhookPayload.Echo, _ account: ChannelAccountResource) {
    services.metrics.count(#"bindery_statuses_total{status="\#(echo.status.rawValue)"}"#)
    guard let outboxID = OutboxID(echo.callback), echo.status != .read else { return }
    var row = Bindery_V1_OutboxRecord()
    row.outboxID = outboxID.data
    row.channelAccount = account.slug
    row.providerMessageID = echo.providerMessageID
    if echo.status == .failed {
      row.state = .failed
      row.error = "whatsapp_\(echo.errorCode)"
    } else {
      row.state = .sent
    }
    notices.enqueue(.echo(row, account.tenantID))
  }

  // MARK: - Parts

  private func account(_ slug: String) -> ChannelAccountResource? {
    let configuration = services.turns.configuration
    guard
      let account = configuration.snapshot.channelAccount(channel: "whatsapp", slug: slug),
      configuration.gate(account.tenantID) != .closed
    else { return nil }
    // Without a route yet it is known all the same: the route may be on its way here.
    if let route = configuration.snapshot.route(channel: "whatsapp", key: account.displayNumber),
      !configuration.isActive(route.bindingID)
    {
      return nil
    }
    return account
  }

  /// nil, and a line in the log, when it is missing on this node.
  private func secret(_ reference: String, of account: ChannelAccountResource) async -> String? {
    guard
      let tenant = services.turns.configuration.snapshot.tenant(account.tenantID)
    else { return nil }
    do {
      let reference = try SecretReference(reference, tenantSlug: tenant.slug)
      return try await services.secrets.secret(reference).value
    } catch {
      services.logger.error(
        "a webhook can't be served",
        metadata: ["account": "\(account.slug)", "why": "\(error)"]
      )
      services.metrics.count("bindery_secrets_missing_total")
      return nil
    }
  }
}
