import Domain
import Foundation
import Scenario
import Support

/// People who write to every node while the fleet is torn apart, each once and never again; what came
/// back on the web, by their own clock.
actor PartitionTraffic {
  struct Person: Sendable {
    var node: Int
    var tenant: String
    var delivery: WhatsAppDelivery
    /// Whether a node has taken it over.
    var isDelivered: Bool
  }

  struct WebReply: Sendable {
    var node: Int
    var endedAt: Int64
    var reply: WebVisitor.Reply
  }

  private let world: PartitionWorld
  private let seed: UInt64
  private(set) var people: [String: Person] = [:]
  private(set) var webReplies: [WebReply] = []
  private var count = 0

  init(_ world: PartitionWorld, seed: UInt64) {
    self.world = world
    self.seed = seed
  }

  /// Writes until cancelled; what is under way then ends first.
  func run() async {
    await withDiscardingTaskGroup { group in
      for node in world.nodes {
        group.addTask { await self.keep(every: .milliseconds(450)) { await self.write(to: node) } }
        group.addTask {
          await self.keep(every: .milliseconds(1900)) { await self.write(to: node, "sahayak") }
        }
        group.addTask { await self.keep(every: .milliseconds(1100)) { await self.visit(node) } }
      }
    }
  }

  /// One after the other begins, none waits for the answer of another.
  private nonisolated func keep(
    every pause: Duration,
    _ body: @escaping @Sendable () async -> Void
  ) async {
    await withDiscardingTaskGroup { group in
      while !Task.isCancelled {
        // Not a child of what is cancelled: an answer that is on its way is waited for.
        let one = Task { await body() }
        group.addTask { await one.value }
        do { try await Task.sleep(for: pause) } catch { return }
      }
    }
  }

  private func write(to node: Int, _ tenant: String = "vakil") async {
    count += 1
    // Node and seed can be read off the number.
    let phone = String(format: "919%d%03d%05d", node + 1, Int(seed % 1000), count)
    let text = count.isMultiple(of: 2) ? "please use the tool look_up" : "what is the deadline?"
    do {
      let delivery = try WhatsAppDelivery(
        text: "\(text) [node-\(node + 1)]",
        from: phone,
        to: world.stack.account(of: tenant),
        id: "wamid.\(phone)"
      )
      people[phone] = Person(node: node, tenant: tenant, delivery: delivery, isDelivered: false)
      try await deliver(phone)
    } catch {
      // The node is down; the vendor delivers again later, as `redeliver` does.
    }
  }

  private func deliver(_ phone: String) async throws {
    guard let person = people[phone] else { return }
    let status = try await person.delivery.post(to: world.stack.edges[person.node]).status
    if status == 200 { people[phone]?.isDelivered = true }
  }

  /// Once all is well: what no node has taken is delivered again, as the vendor would.
  func redeliver() async throws {
    for (phone, person) in people where !person.isDelivered {
      try await waitUntil("\(phone)'s message is taken", within: .seconds(20)) {
        try await deliver(phone)
        return people[phone]?.isDelivered == true
      }
    }
  }

  private func visit(_ node: Int) async {
    do {
      let reply = try await WebVisitor(host: "vakil.example").say(
        "what is the deadline? [node-\(node + 1)]",
        to: world.stack.edges[node]
      )
      webReplies.append(WebReply(node: node, endedAt: monotonicNanoseconds(), reply: reply))
    } catch {
      // The node is down.
    }
  }
}

/// What the services outside saw of a tenant, by their own clocks.
struct Sightings: Sendable {
  struct Sighting: Sendable {
    var what: String
    var at: Int64
    /// nil where the request does not tell.
    var node: Int?
    var phone = ""
    var isTaken = true
  }

  var all: [Sighting] = []

  /// - Parameter tenant: `vakil`'s calls of model and tools, too, which nobody else makes here.
  init(_ stack: Stack, tenant: String, _ seed: UInt64) async throws {
    let id = stack.account(of: tenant).phoneNumberID
    for request in try await stack.received(by: stack.ports.whatsapp)
    where request["path"]?.stringValue?.contains(id) == true {
      let phone = request["body"]?["to"]?.stringValue ?? ""
      guard phone.dropFirst(4).hasPrefix(String(format: "%03d", Int(seed % 1000))) else { continue }
      all.append(
        Sighting(
          what: "send",
          at: request["at_ns"]?.intValue ?? 0,
          node: phone.dropFirst(3).first?.wholeNumberValue.map { $0 - 1 },
          phone: phone,
          isTaken: request["status"] == 200
        )
      )
    }
    guard tenant == "vakil" else { return }
    for (what, port) in [("model call", stack.ports.anthropic), ("tool call", stack.ports.tools)] {
      for request in try await stack.received(by: port) {
        all.append(
          Sighting(
            what: what,
            at: request["at_ns"]?.intValue ?? 0,
            node: try Self.node(in: request["body"] ?? .null)
          )
        )
      }
    }
  }

  /// By the mark in what the person wrote.
  private static func node(in body: JSONValue) throws -> Int? {
    let data = try JSONEncoder().encode(body["messages"] ?? .null)
    let text = String(decoding: data, as: UTF8.self)
    guard let mark = text.range(of: "[node-", options: .backwards) else { return nil }
    return text[mark.upperBound...].first?.wholeNumberValue.map { $0 - 1 }
  }

  func after(_ time: Int64) -> [Sighting] { all.filter { $0.at > time } }
  func before(_ time: Int64) -> [Sighting] { all.filter { $0.at <= time } }
}
