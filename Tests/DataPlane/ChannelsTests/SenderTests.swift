import AsyncHTTPClient
import Channels
import Domain
import Foundation
import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import Subscription
import Synchronization
import Testing
import Turn
import TurnDoubles

@Suite("Sending by the Cloud API, over sockets")
struct SenderTests {
  /// Answers by a script, one entry a call; the last repeats.
  private final class CloudAPI: Sendable {
    struct Call: Sendable {
      var path: String
      var authorization: String?
      var body: JSONValue
    }
    private let state: Mutex<(answers: [(Int, String)], calls: [Call])>

    init(_ answers: (Int, String)...) { state = Mutex((answers, [])) }

    var calls: [Call] { state.withLock { $0.calls } }

    var router: Router<BasicRequestContext> {
      let router = Router()
      router.post("**") { request, _ in
        let buffer = try await request.body.collect(upTo: 1 << 20)
        let call = Call(
          path: request.uri.path,
          authorization: request.headers[.authorization],
          body: try JSONDecoder().decode(JSONValue.self, from: Data(buffer.readableBytesView))
        )
        let (status, body) = self.state.withLock { state -> (Int, String) in
          state.calls.append(call)
          return state.answers.count > 1 ? state.answers.removeFirst() : state.answers[0]
        }
        return Response(
          status: HTTPResponse.Status(code: status),
          body: ResponseBody(byteBuffer: ByteBuffer(string: body))
        )
      }
      return router
    }
  }

  private static let sent = (200, #"{"messages":[{"id":"wamid.1"}]}"#)
  private static func error(_ code: Int, status: Int = 400) -> (Int, String) {
    (status, #"{"error":{"code":\#(code),"message":"no"}}"#)
  }

  private let tenant = SampleTenant()

  private func message(_ text: String, to recipient: String = "919812345678") -> OutboundMessage {
    OutboundMessage(
      tenantID: tenant.tenant.tenantID,
      bindingID: tenant.binding.binding.bindingID,
      outboxID: OutboxID(UUID()),
      channelAccount: tenant.account.slug,
      recipient: recipient,
      text: text,
      replyTo: "wamid.A"
    )
  }

  private func sender(
    _ url: String,
    _ client: HTTPClient = .shared,
    attempts: Int = 2
  ) -> WhatsAppSender {
    var options = WhatsAppSender.Options()
    options.baseURL = url
    options.attempts = attempts
    var logger = Logger(label: "test")
    logger.logLevel = .critical
    return WhatsAppSender(
      configuration: TestConfiguration(tenant),
      secrets: TestSecrets(),
      client: client,
      options: options,
      logger: logger
    )
  }

  private func send(
    _ message: OutboundMessage,
    _ api: CloudAPI,
    attempts: Int = 2,
    isOpen: Bool = true
  ) async throws -> SendOutcome {
    let outcome = Mutex<SendOutcome?>(nil)
    try await serve(api.router) { url in
      let it = await sender(url, attempts: attempts).send(message, gate: { isOpen })
      outcome.withLock { $0 = it }
    }
    return try #require(outcome.withLock { $0 })
  }

  @Test("posts the reply with the account's token, its outbox id, and in WhatsApp's markup")
  func posts() async throws {
    let api = CloudAPI(Self.sent)
    let message = message("**Hello** there")
    let outcome = try await send(message, api)
    #expect(outcome == SendOutcome(state: .sent(providerMessageID: "wamid.1"), attempts: 1))
    let call = try #require(api.calls.first)
    #expect(call.path == "/v25.0/\(tenant.account.phoneNumberID)/messages")
    #expect(call.authorization == "Bearer access-token-of-the-test")
    #expect(call.body["to"]?.stringValue == "919812345678")
    #expect(call.body["text"]?["body"]?.stringValue == "*Hello* there")
    #expect(call.body["context"]?["message_id"]?.stringValue == "wamid.A")
    #expect(
      call.body["biz_opaque_callback_data"]?.stringValue == message.outboxID.description
    )
  }

  @Test("reads the switch again once it is connected: then nothing leaves any more")
  func gateAtTheSend() async throws {
    let api = CloudAPI(Self.sent)
    let reads = Mutex(0)
    let outcome = Mutex<SendOutcome?>(nil)
    let message = message("hi")
    try await serve(api.router) { url in
      let it = await sender(url).send(message) {
        reads.withLock { reads in
          reads += 1
          return reads == 1
        }
      }
      outcome.withLock { $0 = it }
      #expect(api.calls.isEmpty)
      // The server must have seen that connection before it is stopped.
      _ = await sender(url).send(message) { true }
    }
    #expect(outcome.withLock { $0 } == SendOutcome(state: .held, attempts: 0))
    #expect(reads.withLock { $0 } == 2)
    #expect(api.calls.count == 1)
  }

  @Test("names a person without a number by the business-scoped id")
  func scopedID() async throws {
    let api = CloudAPI(Self.sent)
    _ = try await send(message("hi", to: "IN.1349"), api)
    #expect(api.calls.first?.body["recipient"]?.stringValue == "IN.1349")
    #expect(api.calls.first?.body["to"] == nil)
  }

  @Test("sends a long reply in parts that WhatsApp takes, in order")
  func parts() async throws {
    let api = CloudAPI(Self.sent)
    let text = (1 ... 1_500).map { "word\($0)" }.joined(separator: " ")
    _ = try await send(message(text), api)
    let bodies = api.calls.compactMap { $0.body["text"]?["body"]?.stringValue }
    #expect(bodies.count > 1)
    #expect(bodies.allSatisfy { $0.utf16.count <= 4_096 })
    #expect(bodies.joined(separator: " ") == text)
    #expect(api.calls.filter { $0.body["context"] != nil }.count == 1)
  }

  @Test("tries again after a transient error", arguments: [131_000, 131_016, 1, 130_429])
  func transient(code: Int) async throws {
    let api = CloudAPI(Self.error(code, status: 500), Self.sent)
    let outcome = try await send(message("hi"), api)
    #expect(outcome == SendOutcome(state: .sent(providerMessageID: "wamid.1"), attempts: 2))
  }

  @Test("gives up at once on what trying again can't mend", arguments: [190, 131_047, 131_026])
  func permanent(code: Int) async throws {
    let api = CloudAPI(Self.error(code), Self.sent)
    let outcome = try await send(message("hi"), api)
    #expect(outcome == SendOutcome(state: .failed(error: "whatsapp_\(code)"), attempts: 1))
    #expect(api.calls.count == 1)
  }

  @Test("never sends again what may have been sent", arguments: [(500, ""), (502, "<html>")])
  func ambiguous(status: Int, body: String) async throws {
    let api = CloudAPI((status, body), Self.sent)
    let outcome = try await send(message("hi"), api)
    #expect(outcome.state == .ambiguous)
    #expect(api.calls.count == 1)
  }

  @Test("tries again where nothing listens, and says so in the end")
  func unreachable() async throws {
    let client = HTTPClient(configuration: WhatsAppSender.clientConfiguration)
    let outcome = await sender("http://127.0.0.1:1", client)
      .send(message("hi"), gate: { true })
    try await client.shutdown()
    #expect(outcome == SendOutcome(state: .failed(error: "unreachable"), attempts: 2))
  }

  @Test("sends nothing through a closed gate, from another tenant's account, or empty")
  func closed() async throws {
    let api = CloudAPI(Self.sent)
    #expect(try await send(message("hi"), api, isOpen: false).state == .held)
    var foreign = message("hi")
    foreign.tenantID = TenantID(UUID())
    #expect(try await send(foreign, api).state == .failed(error: "unknown_account"))
    #expect(try await send(message(" \n"), api).state == .failed(error: "empty"))
    #expect(api.calls.isEmpty)
  }
}
