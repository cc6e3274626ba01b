internal import Domain
internal import Foundation
internal import GRPCCore
internal import Logging
internal import NIOCore
internal import NIOPosix
internal import Scenario
internal import Transport
internal import Wire
internal import WireServices

/// A server whose pushes are measured.
protocol PushPeer {
  var name: String { get }
  var kind: WatchLoad.Peer { get }
  var port: Int { get }
  /// Bytes that a pushed message has at least.
  var messageBytes: Int { get }
  /// Changes what is watched; returns when the server has answered that it is durable.
  func publish(round: Int) async throws
  /// Returns when the server knows that all watchers have applied it; false when it can't know.
  func waitUntilAcknowledged() async throws -> Bool
}

/// 4 KiB of text that differs from round to round and does not repeat itself.
func payloadText(bytes: Int, round: Int) -> String {
  var random = UInt64(round &+ 1) &* 0x9e37_79b9_7f4a_7c15
  var text = "round \(round)"
  while text.utf8.count < bytes {
    random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    text += " " + String(random >> 33, radix: 36)
  }
  return String(text.prefix(bytes))
}

/// No protocol at all: see `FanoutFloor`.
struct FloorPeer: PushPeer {
  let name = "bare write/epoll"
  let kind = WatchLoad.Peer.floor
  let port: Int
  let messageBytes: Int
  private let trigger: Int32

  init(port: Int, messageBytes: Int) throws {
    self.port = port
    self.messageBytes = messageBytes
    trigger = try Sockets.connect(port: port)
  }

  func publish(round: Int) async throws {
    try [UInt8(1)].withUnsafeBytes { try Sockets.write($0, to: trigger) }
  }

  func waitUntilAcknowledged() async throws -> Bool { false }
}

struct EtcdPeer: PushPeer {
  let name = "etcd 3.4"
  let kind = WatchLoad.Peer.etcd
  let port: Int
  let messageBytes: Int
  let client: GRPCClient<HTTP2ClientTransport>

  func publish(round: Int) async throws {
    let value = Array(payloadText(bytes: messageBytes, round: round).utf8)
    try await client.unary(
      request: ClientRequest(message: EtcdMessages.put(EtcdMessages.key, value)),
      descriptor: MethodDescriptor(fullyQualifiedService: "etcdserverpb.KV", method: "Put"),
      serializer: PlainBytes(),
      deserializer: PlainBytes(),
      options: .defaults
    ) { _ = try $0.message }
  }

  func waitUntilAcknowledged() async throws -> Bool { false }
}

/// A server of `bindery.bench.Echo`: only its transport.
final class EchoPeer: PushPeer {
  let name: String
  let kind = WatchLoad.Peer.echo
  let port: Int
  let messageBytes: Int
  private let connection: LightConnection

  init(_ peer: TransportPeer, messageBytes: Int) throws {
    name = peer.title
    port = peer.port
    self.messageBytes = messageBytes
    connection = try LightConnection(port: peer.port)
  }

  func publish(round: Int) async throws {
    let payload = Array(payloadText(bytes: messageBytes, round: round).utf8)
    _ = try connection.unary("/bindery.bench.Echo/Publish", payload)
  }

  func waitUntilAcknowledged() async throws -> Bool { false }
}

/// The real daemon on the real database: a team's SOP is edited, compiled, stored and pushed.
final class BinderyPeer: PushPeer {
  let name = "bindery-control"
  let kind = WatchLoad.Peer.bindery
  let port: Int
  let messageBytes: Int
  private let admin: Bindery_V1_Admin.Client<HTTP2ClientTransport>
  private var revision: Int64 = 0
  private let spec: [String: JSONValue]

  init(port: Int, messageBytes: Int, client: GRPCClient<HTTP2ClientTransport>) async throws {
    self.port = port
    self.messageBytes = messageBytes
    admin = Bindery_V1_Admin.Client(wrapping: client)
    var request = Bindery_V1_GetRequest()
    request.kind = "Team"
    request.tenant = "bench"
    request.slug = "desk"
    let team = try await admin.get(request).object
    let value = try JSONDecoder().decode(JSONValue.self, from: Data(team.specJson.utf8))
    guard case .object(let fields) = value else { throw BenchFailure("the team has no spec") }
    spec = fields
  }

  func publish(round: Int) async throws {
    var spec = spec
    let text = payloadText(bytes: messageBytes, round: round)
    spec["sops"] = [["title": "Payload", "text": .string(text)]]
    var document = Bindery_V1_Document()
    document.kind = "Team"
    document.tenant = "bench"
    document.slug = "desk"
    document.specJson = String(decoding: try JSONEncoder().encode(spec), as: UTF8.self)
    var request = Bindery_V1_ApplyRequest()
    request.documents = [document]
    request.author = "bench"
    let response = try await admin.apply(request)
    guard response.ok, response.revision > revision else {
      throw BenchFailure("not applied: \(response.diagnostics.map(\.code))")
    }
    revision = response.revision
  }

  func waitUntilAcknowledged() async throws -> Bool {
    var request = Bindery_V1_WaitRequest()
    request.revision = revision
    return try await admin.wait(request) { response in
      var isDone = false
      for try await message in response.messages where message.done {
        guard message.unconfirmed.isEmpty else {
          throw BenchFailure("\(message.unconfirmed.count) watchers did not acknowledge")
        }
        isDone = true
      }
      return isDone
    }
  }
}

/// Messages as plain bytes.
struct PlainBytes: MessageSerializer, MessageDeserializer {
  func serialize<Bytes: GRPCContiguousBytes>(_ message: [UInt8]) throws -> Bytes { Bytes(message) }

  func deserialize<Bytes: GRPCContiguousBytes>(_ bytes: Bytes) throws -> [UInt8] {
    bytes.withUnsafeBytes { Array($0) }
  }
}

/// A client with one connection to a port of this machine, for as long as `body` runs.
func withClient<Result: Sendable>(
  port: Int,
  _ body: (GRPCClient<HTTP2ClientTransport>) async throws -> Result
) async throws -> Result {
  let transport = HTTP2ClientTransport(
    endpoints: [try TransportAddress(parsing: "127.0.0.1:\(port)")],
    group: MultiThreadedEventLoopGroup.singleton,
    logger: Logger(label: "bench") { _ in SwiftLogNoOpLogHandler() }
  )
  return try await withGRPCClient(transport: transport) { try await body($0) }
}
