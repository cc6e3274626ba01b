package import Domain
package import Foundation
package import Logging
package import Store
internal import Synchronization

/// The live tokens in memory, and for a day those that have ended, by the hash of their texts. Every check reads here and none the database; a
/// change in the database arrives within `interval`, and ends what is under way with old tokens.
package final class AccessRoster: Sendable {
  /// Where the tokens stand.
  package struct Source: Sendable {
    /// Live tokens and such as ended lately, as of one version, with all tenants' slugs.
    package struct Content: Sendable {
      package var version: Int64
      package var tokens: [AccessToken]
      package var slugs: [TenantID: String]

      package init(version: Int64, tokens: [AccessToken], slugs: [TenantID: String]) {
        self.version = version
        self.tokens = tokens
        self.slugs = slugs
      }
    }

    package var version: @Sendable () async throws -> Int64
    package var content: @Sendable () async throws -> Content
    /// Notes the use of tokens (ids) of one tenant, or of the platform.
    package var noteUse: @Sendable ([String], TenantID?) async throws -> Void

    package init(
      version: @escaping @Sendable () async throws -> Int64,
      content: @escaping @Sendable () async throws -> Content,
      noteUse: @escaping @Sendable ([String], TenantID?) async throws -> Void
    ) {
      self.version = version
      self.content = content
      self.noteUse = noteUse
    }

    package init(_ store: Store) {
      self.init(
        version: { try await store.accessVersion() },
        content: {
          let (version, tokens, slugs) = try await store.accessTokens()
          return Content(version: version, tokens: tokens, slugs: slugs)
        },
        noteUse: { try await store.noteUse(of: $0, tenant: $1) }
      )
    }
  }

  struct Watcher {
    var credential: Principal.Credential
    var ring: AsyncStream<Void>.Continuation
  }

  struct State {
    var version: Int64 = -1
    var reads = Reads()
    /// Ids that the table was asked for in vain since it last changed.
    var unknown: Set<String> = []
    var byHash: [Digest: AccessToken] = [:]
    var byID: [String: AccessToken] = [:]
    var slugs: [TenantID: String] = [:]
    var used: Set<String> = []
    var watchers: [Int: Watcher] = [:]
    var nextWatcher = 0
  }

  /// Whoever asks for a read gets one that began afterwards, and so do all who ask meanwhile: one read
  /// is under way at a time, however many changes there are.
  struct Reads {
    var asked = 0
    /// Up to which asker a read has answered, or failed.
    var answered = 0
    var failed: (upTo: Int, error: any Error)?
    var isUnderWay = false
    var waiting: [AsyncStream<Void>.Continuation] = []
  }

  enum Turn {
    case answered
    case failed(any Error)
    /// Read for all up to this one.
    case read(Int)
    case wait(AsyncStream<Void>)
  }

  /// How long a token that has ended is still known, so that its holder is told why.
  static let memory: Double = 86_400
  private static let unknownLimit = 1024

  /// How old a noted use may be.
  static let useInterval: Duration = .seconds(60)

  let source: Source
  let interval: Duration
  let logger: Logger
  let now: @Sendable () -> Date
  let state = Mutex(State())

  /// - Parameters:
  ///   - interval: At most so much later than the database is what is known here.
  ///   - now: Judges whether tokens and certificates have expired.
  package init(
    source: Source,
    interval: Duration = .milliseconds(300),
    logger: Logger,
    now: @escaping @Sendable () -> Date = { Date() }
  ) {
    self.source = source
    self.interval = interval
    self.logger = logger
    self.now = now
  }

  /// Those that are held in memory.
  package var tokens: [AccessToken] { state.withLock { Array($0.byID.values) } }

  package func token(_ id: String) -> AccessToken? { state.withLock { $0.byID[id] } }

  /// Whether the table was asked for this id already, in vain, and has not changed since.
  func isKnownToBeNobodys(_ id: String) -> Bool { state.withLock { $0.unknown.contains(id) } }

  func noteUnknown(_ id: String) {
    state.withLock { state in
      if state.unknown.count >= Self.unknownLimit { state.unknown = [] }
      state.unknown.insert(id)
    }
  }

  package func slug(of tenant: TenantID) -> String? { state.withLock { $0.slugs[tenant] } }

  /// Who comes with this text.
  ///
  /// - Throws: `AccessRefusal`: nobody knows it, or it is over.
  package func principal(of text: String) throws(AccessRefusal) -> Principal {
    guard let text = TokenText(text) else {
      throw AccessRefusal(
        .unauthenticated,
        "the access token is malformed; it starts with 'bnd_' and has 67 characters"
      )
    }
    let hash = text.hash
    // By the part that is public; the rest is compared in a time that tells nothing of it.
    let (found, slug) = state.withLock { state in
      let found = state.byID[text.id]
      return (found, found?.tenant.flatMap { state.slugs[$0] })
    }
    guard let token = found else {
      throw AccessRefusal(
        .unauthenticated,
        "there is no such access token here; ask an administrator for one"
      )
    }
    guard token.hash.equalsInConstantTime(hash) else {
      throw AccessRefusal(
        .unauthenticated,
        "access token \(text.id) was rotated, or mistyped; use its new text"
      )
    }
    state.withLock { _ = $0.used.insert(token.id) }
    if let over = Self.over(token, at: now()) { throw over }
    let role: Principal.Role
    switch (Principal.Rank(rawValue: token.role.rawValue), token.tenant, token.nodeID) {
    case (let rank?, nil, _): role = .person(rank, .platform)
    case (let rank?, let tenant?, _):
      guard let slug else { throw AccessRefusal(.unauthenticated, "the token's tenant is gone") }
      role = .person(rank, .tenant(tenant, slug: slug))
    case (nil, _, let nodeID?):
      role = .node(NodeGrant(nodeID: nodeID, region: token.region, tenants: token.nodeTenants))
    case (nil, _, nil):
      throw AccessRefusal(.unauthenticated, "access token \(token.id) has no owner")
    }
    return Principal(role: role, id: token.id, name: token.name, credential: .token(hash))
  }

  static func over(_ token: AccessToken, at now: Date) -> AccessRefusal? {
    if token.revokedAt != nil {
      return AccessRefusal(
        .unauthenticated,
        "access token \(token.id) was revoked; ask an administrator for another"
      )
    }
    if let end = token.expiresAt, end <= now {
      return AccessRefusal(
        .unauthenticated,
        "access token \(token.id) has expired; ask an administrator for another"
      )
    }
    return nil
  }
}

extension Digest {
  /// Looks at every byte, wherever the first difference is.
  fileprivate func equalsInConstantTime(_ other: Digest) -> Bool {
    zip(bytes, other.bytes).reduce(UInt8(0)) { $0 | ($1.0 ^ $1.1) } == 0
  }
}
