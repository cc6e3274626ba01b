import Access
import Domain
import Foundation
import Logging
import Store
import Synchronization
import Testing

/// A table of tokens, and a clock.
private final class Table: Sendable {
  private struct State {
    var content = AccessRoster.Source.Content(version: 0, tokens: [], slugs: [:])
    var reads = 0
    var now = Date(timeIntervalSince1970: 1_800_000_000)
  }

  private let state = Mutex(State())

  var now: Date { state.withLock { $0.now } }
  var reads: Int { state.withLock { $0.reads } }

  func pass(_ seconds: Double) { state.withLock { $0.now += seconds } }

  func change(_ body: (inout AccessRoster.Source.Content) -> Void) {
    state.withLock { state in
      body(&state.content)
      state.content.version += 1
    }
  }

  func roster() -> AccessRoster {
    AccessRoster(
      source: .init(
        version: { self.state.withLock { $0.content.version } },
        content: {
          self.state.withLock { state in
            state.reads += 1
            return state.content
          }
        },
        noteUse: { _, _ in }
      ),
      interval: .milliseconds(5),
      logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
      now: { self.now }
    )
  }
}

@Suite struct `The roster of tokens` {
  private let table = Table()
  private let tenant = TenantID(UUID())

  private func add(
    _ role: AccessToken.Role,
    _ edit: (inout AccessToken) -> Void = { _ in }
  ) -> TokenText {
    let text = TokenText.make()
    var token = AccessToken(id: text.id, hash: text.hash, role: role, createdAt: table.now)
    if role == .author || role == .viewer { token.tenant = tenant }
    if role == .node { token.nodeID = "edge-1" }
    edit(&token)
    let made = token
    table.change {
      $0.tokens.append(made)
      $0.slugs[tenant] = "medicly"
    }
    return text
  }

  @Test func `knows who comes with a token, and asks the table for none of it`() async throws {
    let admin = add(.admin)
    let author = add(.author)
    let viewer = add(.viewer)
    let node = add(.node) { $0.region = "in-south" }
    let roster = table.roster()
    try await roster.refresh()
    let reads = table.reads
    #expect(try roster.principal(of: admin.text).role == .person(.admin, .platform))
    #expect(
      try roster.principal(of: author.text).role
        == .person(.author, .tenant(tenant, slug: "medicly"))
    )
    #expect(
      try roster.principal(of: viewer.text).role
        == .person(.viewer, .tenant(tenant, slug: "medicly"))
    )
    #expect(
      try roster.principal(of: node.text).role
        == .node(NodeGrant(nodeID: "edge-1", region: "in-south"))
    )
    #expect(table.reads == reads)
  }

  @Test func `follows a database that stepped back: a token revoked there is over`() async throws {
    let admin = add(.admin)
    let other = add(.admin)
    let roster = table.roster()
    try await roster.refresh()
    // A standby took over that had not seen the last change, and there the token is revoked.
    let now = table.now
    table.change { content in
      content.version = -1
      content.tokens.removeAll { $0.id == other.id }
      for index in content.tokens.indices { content.tokens[index].revokedAt = now }
    }
    try await roster.refresh()
    for text in [admin, other] {
      #expect(throws: AccessRefusal.self) { try roster.principal(of: text.text) }
    }
  }

  @Test func `refuses what is malformed, unknown, of another text, revoked or expired`()
    async throws
  {
    let expiring = add(.admin) { $0.expiresAt = table.now + 10 }
    let revoked = add(.admin) { $0.revokedAt = table.now }
    let roster = table.roster()
    try await roster.refresh()
    #expect(try roster.principal(of: expiring.text).role == .person(.admin, .platform))
    table.pass(10)
    let cases = [
      (expiring.text, "has expired"), (revoked.text, "was revoked"),
      (TokenText.make().text, "no such access token"),
      (TokenText.make(id: expiring.id).text, "was rotated"), ("bnd_nonsense", "malformed"),
    ]
    for (text, why) in cases {
      let refusal = #expect(throws: AccessRefusal.self) { try roster.principal(of: text) }
      #expect(refusal?.code == .unauthenticated)
      #expect(refusal?.message.contains(why) == true, "\(refusal?.message ?? "")")
      #expect(refusal?.message.contains(text) == false)
    }
  }

  @Test(arguments: ["revoked", "rotated", "removed", "expired"])
  func `ends what is under way when a token is`(_ how: String) async throws {
    let text = add(.admin) { $0.expiresAt = table.now + 1000 }
    let other = add(.admin)
    let roster = table.roster()
    try await roster.refresh()
    try await withThrowingTaskGroup(of: String?.self) { group in
      group.addTask {
        try await roster.run()
        return nil
      }
      let principal = try roster.principal(of: text.text)
      let kept = try roster.principal(of: other.text)
      group.addTask { try await roster.lapse(of: kept.credential).message }
      group.addTask { try await roster.lapse(of: principal.credential).message }
      let now = table.now
      switch how {
      case "expired": table.pass(1000)
      default:
        table.change { content in
          for index in content.tokens.indices where content.tokens[index].id == text.id {
            switch how {
            case "revoked": content.tokens[index].revokedAt = now
            case "rotated": content.tokens[index].hash = TokenText.make(id: text.id).hash
            default: content.tokens.remove(at: index)
            }
            break
          }
        }
      }
      let first = try await group.next() ?? nil
      let word = ["removed": "removed", "rotated": "rotated", "expired": "expired"][how]
      #expect(first?.contains(word ?? "revoked") == true)
      // The other token's goes on.
      #expect(try roster.principal(of: other.text).role == .person(.admin, .platform))
      group.cancelAll()
    }
  }

  @Test func `tells at once of a token that ended before anybody waited`() async throws {
    let text = add(.admin)
    let roster = table.roster()
    try await roster.refresh()
    let principal = try roster.principal(of: text.text)
    table.change { $0.tokens = [] }
    try await roster.refresh()
    _ = try await roster.lapse(of: principal.credential)
    let past = Principal.Credential.certificate(notAfter: table.now)
    #expect(try await roster.lapse(of: past).message.contains("certificate has expired"))
  }
}
