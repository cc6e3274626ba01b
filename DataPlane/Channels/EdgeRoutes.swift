internal import Foundation
internal import HTTPTypes
package import Hummingbird
internal import NIOCore
internal import Turn

/// What the channels answer over HTTP.
package struct EdgeRoutes: Sendable {
  package struct Limits: Hashable, Sendable {
    /// Largest webhook delivery in bytes; WhatsApp sends up to 3 MB.
    package var webhookBytes = 3 << 20
    /// Deliveries read at once; beyond, 503.
    package var webhooks = 128
    /// Web turns at once; beyond, 503.
    package var webTurns = 512
    package var visitorMessagesPerMinute = 120

    package init() {}
  }

  private let webhook: WhatsAppWebhook
  private let chat: WebChat
  private let limits: Limits
  private let places: Limiter

  package init(_ services: ChannelServices, notices: WhatsAppNotices, limits: Limits) {
    webhook = WhatsAppWebhook(
      services: services,
      notices: notices,
      unrouted: UnroutedNumbers()
    )
    chat = WebChat(
      services: services,
      limits: VisitorLimits(perMinute: limits.visitorMessagesPerMinute),
      places: Limiter(limits.webTurns)
    )
    self.limits = limits
    places = Limiter(limits.webhooks)
  }

  package func add<Context: RequestContext>(to router: Router<Context>) {
    router.get("/webhooks/whatsapp/:account") { request, context in
      let slug = context.parameters.get("account") ?? ""
      var query: [String: String] = [:]
      for (key, value) in request.uri.queryParameters { query[String(key)] = String(value) }
      return Self.response(await webhook.verify(account: slug, query: query))
    }
    router.post("/webhooks/whatsapp/:account") { request, context in
      let slug = context.parameters.get("account") ?? ""
      guard places.hasFree else { return Self.response(.tryAgain) }
      try await places.acquire()
      defer { places.release() }
      guard let body = try await EdgeBody.collect(request, upTo: limits.webhookBytes) else {
        return Self.response(
          WhatsAppWebhook.Answer(
            status: .contentTooLarge,
            body: "at most \(limits.webhookBytes) bytes\n"
          )
        )
      }
      let signature = HTTPField.Name("X-Hub-Signature-256").flatMap { request.headers[$0] }
      return Self.response(await webhook.deliver(account: slug, body: body, signature: signature))
    }
    router.get("/") { request, _ in chat.page(request) }
    router.get("/chat/page.js") { _, _ in ChatPage.script() }
    router.get("/chat/style.css") { _, _ in ChatPage.style() }
    router.get("/chat/messages") { request, _ in try await chat.history(request) }
    router.post("/chat/messages") { request, _ in try await chat.message(request) }
  }

  private static func response(_ answer: WhatsAppWebhook.Answer) -> Response {
    Response(
      status: answer.status,
      headers: [.contentType: "text/plain; charset=utf-8"],
      body: ResponseBody(byteBuffer: ByteBuffer(string: answer.body))
    )
  }
}
