internal import Crypto
internal import Domain
internal import Foundation
internal import HTTPTypes
internal import Hummingbird
internal import Logging
internal import NIOCore
internal import Secrets
internal import Spool
internal import Subscription
internal import Turn

/// The web chat over HTTP: a page, its messages, and answers as server-sent events.
struct WebChat: Sendable {
  /// Most bytes of a message's body, and most characters of its text.
  static let bodyLimit = 64 << 10
  static let textLimit = 4_000

  let services: ChannelServices
  let limits: VisitorLimits
  /// Web turns at once; beyond, 503.
  let places: Limiter

  // MARK: - Requests

  func page(_ request: Request) -> Response {
    guard let (_, route) = route(of: request),
      let binding = services.turns.configuration.snapshot.binding(route.bindingID)
    else { return Self.notFound }
    let language = ReplyLanguage.choose(
      locale: locale(of: request),
      text: "",
      languages: binding.human.languages
    )
    return ChatPage.response(
      name: binding.human.displayName,
      language: language,
      greeting: ReplyLanguage.text(binding.human.greeting, language: language)
    )
  }

  func history(_ request: Request) async throws -> Response {
    guard let (host, route) = route(of: request) else { return Self.notFound }
    var messages: [JSONValue] = []
    if let visitor = await visitor(of: request, host: host, route: route) {
      let conversation = WebConversation(
        services: services,
        route: route,
        visitor: visitor,
        locale: ""
      )
      messages = conversation.history.map { isVisitor, text in
        ["from": isVisitor ? "visitor" : "persona", "text": .string(text)]
      }
    }
    return try Self.json(["messages": .array(messages)])
  }

  func message(_ request: Request) async throws -> Response {
    guard let (host, route) = route(of: request) else { return Self.notFound }
    guard WebHost.isSame(origin: request.headers[.origin], host: host) else {
      return try Self.refusal(.forbidden, "the page belongs to another site")
    }
    let type = request.headers[.contentType]?.lowercased() ?? ""
    guard type.split(separator: ";").first == "application/json" else {
      return try Self.refusal(.unsupportedMediaType, "send application/json")
    }
    guard let body = try await EdgeBody.collect(request, upTo: Self.bodyLimit) else {
      return try Self.refusal(.contentTooLarge, "at most \(Self.bodyLimit) bytes")
    }
    guard let (text, id) = Self.message(body) else {
      return try Self.refusal(
        .badRequest,
        "send {\"text\": 1 to \(Self.textLimit) characters, \"client_message_id\": 1 to 100}"
      )
    }
    let known = await visitor(of: request, host: host, route: route)
    let visitor = known ?? services.turns.mint()
    guard limits.allows(visitor, atMS: services.turns.nowMS()) else {
      return try Self.refusal(.tooManyRequests, "too many messages: wait a minute")
    }
    guard services.turns.spool.isAccepting, places.hasFree else {
      services.metrics.count("bindery_web_overload_total")
      return try Self.refusal(.serviceUnavailable, "try again in a moment")
    }
    let conversation = WebConversation(
      services: services,
      route: route,
      visitor: visitor,
      locale: locale(of: request)
    )
    var response = stream(conversation, text: text, id: id)
    if known == nil {
      let key = await key(of: route)
      let token = VisitorToken(visitor: visitor).text(host: host, key: key)
      response.headers[.setCookie] =
        "\(VisitorToken.cookieName)=\(token); Path=/; HttpOnly; SameSite=Strict; "
        + "Max-Age=\(VisitorToken.lifetime)"
    }
    return response
  }

  // MARK: - The stream

  /// The turn goes on to its end even when the reader is gone: its words are said by then. What waits
  /// for a slow reader is read with the switch as it is when it leaves.
  private func stream(_ conversation: WebConversation, text: String, id: String) -> Response {
    let (places, logger) = (places, services.logger)
    let body = ResponseBody { writer in
      // Not before the body begins: a connection lost until then would never give it back.
      try await places.acquire()
      defer { places.release() }
      let mailbox = ReplyMailbox()
      try await withThrowingDiscardingTaskGroup { group in
        let alive = AliveTimer()
        group.addTask {
          mailbox.finish(await conversation.answer(text, id: id, stream: mailbox))
          alive.stop()
        }
        group.addTask { await alive.run { mailbox.keepAlive() } }
        var isGone = false
        var isWithheld = false
        for await _ in mailbox.rings {
          for var item in mailbox.take() where !isGone {
            switch item {
            case .text where isWithheld || !conversation.isOpen:
              isWithheld = true
              continue
            case .end where isWithheld:
              item = .end(WebEnding(TurnEnd(kind: .held), language: ""))
            default: break
            }
            do {
              try await writer.write(ByteBuffer(string: try Self.text(of: item)))
            } catch {
              logger.debug("a reader of a stream is gone", metadata: ["why": "\(error)"])
              isGone = true
            }
          }
        }
      }
      try await writer.finish(nil)
    }
    var headers: HTTPFields = [
      .contentType: "text/event-stream; charset=utf-8", .cacheControl: "no-store",
    ]
    // nginx would keep the pieces back.
    if let buffering = HTTPField.Name("X-Accel-Buffering") { headers[buffering] = "no" }
    return Response(status: .ok, headers: headers, body: body)
  }

  private static func text(of item: ReplyMailbox.Item) throws -> String {
    switch item {
    case .typing: return try ServerSentEvent.event("typing", [:])
    case .text(let text): return try ServerSentEvent.event("text", ["text": .string(text)])
    case .alive: return ServerSentEvent.comment
    case .end(let end):
      let said =
        end.text.isEmpty ? "" : try ServerSentEvent.event("text", ["text": .string(end.text)])
      return said + (try ServerSentEvent.event(end.event.rawValue, end.data))
    }
  }

  // MARK: - Parts

  static let notFound = Response(
    status: .notFound,
    headers: [.contentType: "text/plain; charset=utf-8"],
    body: ResponseBody(byteBuffer: ByteBuffer(string: EdgeText.notFound))
  )

  private func route(of request: Request) -> (host: String, RouteResource)? {
    guard let host = WebHost.normalized(request.head.authority),
      let route = services.openRoute(channel: "web", key: host)
    else { return nil }
    return (host, route)
  }

  private func visitor(of request: Request, host: String, route: RouteResource) async -> UUID? {
    guard let cookies = request.headers[.cookie],
      let text = VisitorToken.value(inCookies: cookies)
    else { return nil }
    return VisitorToken(text, host: host, key: await key(of: route))?.visitor
  }

  /// The tenant's `web_visitor_key`, the same on all nodes, else this node's own.
  private func key(of route: RouteResource) async -> SymmetricKey {
    guard let tenant = services.turns.configuration.snapshot.tenant(route.tenantID) else {
      return SymmetricKey(data: services.visitorKey)
    }
    do {
      let reference = try SecretReference("web_visitor_key", tenantSlug: tenant.slug)
      return SymmetricKey(data: Data(try await services.secrets.secret(reference).value.utf8))
    } catch {
      if error.code != .notFound {
        services.logger.error(
          "visitors are known to this node alone",
          metadata: ["why": "\(error)"]
        )
      }
      return SymmetricKey(data: services.visitorKey)
    }
  }

  /// The browser's first language.
  private func locale(of request: Request) -> String {
    let header = request.headers[.acceptLanguage] ?? ""
    let first = header.prefix { $0 != "," && $0 != ";" }.trimmingCharacters(in: .whitespaces)
    let isTag = first.utf8.count <= 35 && first.allSatisfy { $0.isASCII && $0 != "*" }
    return isTag ? first : ""
  }

  /// nil when a field is missing or out of its bounds.
  private static func message(_ body: Data) -> (text: String, id: String)? {
    let json: JSONValue
    do {
      json = try JSONDecoder().decode(JSONValue.self, from: body)
    } catch {
      return nil
    }
    guard let text = json["text"]?.stringValue, let id = json["client_message_id"]?.stringValue,
      !text.allSatisfy(\.isWhitespace), text.count <= textLimit,
      (1 ... 100).contains(id.utf8.count)
    else { return nil }
    return (text, id)
  }

  private static func refusal(_ status: HTTPResponse.Status, _ message: String) throws -> Response {
    try json(["error": ["message": .string(message)]], status: status)
  }

  private static func json(
    _ value: [String: JSONValue],
    status: HTTPResponse.Status = .ok
  ) throws -> Response {
    let data = try JSONEncoder().encode(JSONValue.object(value))
    return Response(
      status: status,
      headers: [.contentType: "application/json", .cacheControl: "no-store"],
      body: ResponseBody(byteBuffer: ByteBuffer(bytes: data))
    )
  }
}
