import AsyncHTTPClient
import Channels
import Domain
import Foundation
import Hummingbird
import Logging
import Models
import NIOCore
import NIOHTTP1
import Secrets
import Subscription
import Synchronization
import Testing
import Turn
import TurnDoubles

/// A node's HTTP edge on a real socket, over doubles.
struct Edge: Sendable {
  static let appSecret = "app-secret-of-the-test"
  static let verifyToken = "verify-token-of-the-test"

  let harness: TurnHarness
  let metrics: ChannelMetrics
  let url: String

  /// Serves while `body` runs.
  static func run(
    _ harness: TurnHarness,
    visitorMessagesPerMinute: Int = 100,
    _ body: @escaping @Sendable (Edge) async throws -> Void
  ) async throws {
    let scheduler = ConversationScheduler(logger: harness.services.logger) { address, known in
      guard
        let plan = harness.runner.plan(address, channelAccount: harness.tenant.account.slug)
      else { return TurnEnd(kind: .unknown) }
      return await harness.runner.run(
        plan,
        known: known,
        delivery: address.channel == "web"
          ? .stream(UnreadReply()) : .message(harness.sender)
      )
    }
    var debounce = Intake.Debounce()
    debounce.quietMS = 10
    let metrics = ChannelMetrics()
    let services = ChannelServices(
      turns: harness.services,
      runner: harness.runner,
      intake: Intake(
        harness.services,
        scheduler: scheduler,
        held: HeldInputs(),
        debounce: debounce
      ),
      secrets: TestSecrets(),
      sender: harness.sender,
      metrics: metrics,
      fetchBinding: { _, _ in true },
      visitorKey: Array(repeating: 7, count: 32)
    )
    let notices = WhatsAppNotices(
      harness.services,
      sender: harness.sender,
      metrics: metrics
    )
    var limits = EdgeRoutes.Limits()
    limits.webhookBytes = 100_000
    limits.visitorMessagesPerMinute = visitorMessagesPerMinute
    let router = Router()
    EdgeRoutes(services, notices: notices, limits: limits).add(to: router)
    try await serve(router) { url in
      await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { await scheduler.run() }
        group.addTask { await notices.run() }
        do {
          try await body(Edge(harness: harness, url: url, metrics: metrics))
        } catch {
          Issue.record(error)
        }
        await scheduler.finish()
        notices.finish()
      }
    }
  }

  private init(harness: TurnHarness, url: String, metrics: ChannelMetrics) {
    self.harness = harness
    self.url = url
    self.metrics = metrics
  }
}

/// Serves on a free port of the loopback while `body` runs.
func serve(
  _ router: Router<BasicRequestContext>,
  _ body: @escaping @Sendable (String) async throws -> Void
) async throws {
  let (ports, port) = AsyncStream.makeStream(of: Int.self)
  var logger = Logger(label: "test")
  logger.logLevel = .critical
  let application = Application(
    router: router,
    configuration: .init(address: .hostname("127.0.0.1", port: 0)),
    onServerRunning: { channel in port.yield(channel.localAddress?.port ?? 0) },
    logger: logger
  )
  try await withThrowingTaskGroup(of: Void.self) { group in
    group.addTask { try await application.run() }
    for await port in ports {
      try await body("http://127.0.0.1:\(port)")
      break
    }
    group.cancelAll()
  }
}

struct TestSecrets: SecretResolver {
  func secret(_ reference: SecretReference) async throws(SecretError) -> Secret {
    switch reference.name {
    case "whatsapp_app_secret": return Secret(Edge.appSecret)
    case "whatsapp_verify_token": return Secret(Edge.verifyToken)
    case "whatsapp_access_token": return Secret("access-token-of-the-test")
    default: throw SecretError(code: .notFound, reference: reference.name)
    }
  }
}

struct Answer: Sendable {
  var status: Int
  var headers: [String: String]
  var body: String
}

func call(
  _ method: String,
  _ url: String,
  headers: [String: String] = [:],
  body: Data? = nil
) async throws -> Answer {
  var request = HTTPClientRequest(url: url)
  request.method = .RAW(value: method)
  for (name, value) in headers { request.headers.replaceOrAdd(name: name, value: value) }
  if let body { request.body = .bytes(ByteBuffer(bytes: body)) }
  let response = try await HTTPClient.shared.execute(request, timeout: .seconds(20))
  let bytes = try await response.body.collect(upTo: 1 << 20)
  var fields: [String: String] = [:]
  for (name, value) in response.headers { fields[name.lowercased()] = value }
  return Answer(
    status: Int(response.status.code),
    headers: fields,
    body: String(buffer: bytes)
  )
}

func wait(until condition: () async -> Bool) async throws {
  for _ in 0 ..< 2_000 {
    if await condition() { return }
    try await Task.sleep(for: .milliseconds(5))
  }
  Issue.record("the condition did not come true within 10 s")
}
