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

  fileprivate enum Turn {
    case answered
    case failed(any Error)
    /// Read for all up to this one.
    case read(Int)
    case wait(AsyncStream<Void>)
  }

  /// How long a token that has ended is still known, so that its holder is told why.
  private static let memory: Double = 86_400
  private static let unknownLimit = 1024

  /// How old a noted use may be.
  private static let useInterval: Duration = .seconds(60)

  private let source: Source
  private let interval: Duration
  private let logger: Logger
  private let now: @Sendable () -> Date
  private let state = Mutex(State())

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

  private static func over(_ token: AccessToken, at now: Date) -> AccessRefusal? {
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

  // MARK: - Following the database

  /// Reads the tokens anew; what ended with them is told to those who wait for it.
  package func refresh() async throws {
    let number = state.withLock { state in
      state.reads.asked += 1
      return state.reads.asked
    }
    while true {
      switch state.withLock({ $0.reads.turn(of: number) }) {
      case .answered: return
      case .failed(let error): throw error
      case .read(let last): return try await read(upTo: last)
      case .wait(let ended):
        for await _ in ended {}
        try Task.checkCancellation()
      }
    }
  }

  /// Who ever asked for a read.
  var askers: Int { state.withLock { $0.reads.asked } }

  private func read(upTo last: Int) async throws {
    do {
      let content = try await source.content()
      take(content)
      end(of: last, with: nil)
    } catch {
      // Who gave up says nothing to the others; one of them reads.
      end(of: Task.isCancelled ? 0 : last, with: error)
      throw error
    }
    endLapsed()
  }

  private func end(of last: Int, with error: (any Error)?) {
    let waiting = state.withLock { state in
      state.reads.isUnderWay = false
      if let error {
        state.reads.failed = (max(last, state.reads.failed?.upTo ?? 0), error)
      } else {
        state.reads.answered = last
      }
      defer { state.reads.waiting = [] }
      return state.reads.waiting
    }
    for ring in waiting { ring.finish() }
  }

  private func take(_ content: Source.Content) {
    state.withLock { state in
      // It may be less than before: a database that was restored, or whose standby has taken over.
      state.version = content.version
      state.unknown = []
      state.byHash = Dictionary(
        content.tokens.map { ($0.hash, $0) },
        uniquingKeysWith: { first, _ in first }
      )
      state.byID = Dictionary(
        content.tokens.map { ($0.id, $0) },
        uniquingKeysWith: { first, _ in first }
      )
      state.slugs = content.slugs
    }
  }

  /// Like `refresh`, after a change that is stored already: without the database the change takes effect
  /// here a little later, when the tokens are read again.
  package func refreshSoon() async {
    do {
      try await refresh()
    } catch {
      state.withLock { $0.version = -1 }
      logger.warning("access tokens can't be read anew yet", error)
    }
  }

  /// Follows changes until cancelled. While the database is away what was known stays in force, and
  /// tokens still expire.
  package func run() async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask {
        while true {
          try await Task.sleep(for: self.interval)
          self.endLapsed()
        }
      }
      group.addTask { try await self.noteUses() }
      group.addTask {
        while true {
          try await Task.sleep(for: self.interval)
          await self.follow()
        }
      }
      try await group.next()
    }
  }

  private func follow() async {
    do {
      let version = try await source.version()
      if version != state.withLock({ $0.version }) { try await refresh() }
    } catch {
      if Task.isCancelled { return }
      logger.warning("access tokens can't be read; the last known ones hold", error)
    }
  }

  private func noteUses() async throws {
    while true {
      try await Task.sleep(for: Self.useInterval)
      forgetEnded()
      let used = state.withLock { state in
        defer { state.used = [] }
        return Dictionary(grouping: state.used.compactMap { state.byID[$0] }, by: \.tenant)
      }
      for (tenant, tokens) in used {
        do {
          try await source.noteUse(tokens.map(\.id), tenant)
        } catch {
          if Task.isCancelled { throw error }
          logger.warning("the use of access tokens could not be noted", error)
        }
      }
    }
  }

  /// Where nothing changes nothing is read anew, and tokens expire all the same.
  func forgetEnded() {
    let limit = now() - Self.memory
    state.withLock { state in
      let gone = state.byID.values.filter { min($0.revokedAt, $0.expiresAt) < limit }
      for token in gone {
        state.byID[token.id] = nil
        state.byHash[token.hash] = nil
      }
    }
  }

  private func min(_ a: Date?, _ b: Date?) -> Date {
    Swift.min(a ?? .distantFuture, b ?? .distantFuture)
  }

  // MARK: - What is under way

  /// Returns when the credential is no longer good: revoked, rotated or expired.
  ///
  /// - Throws: `CancellationError`.
  package func lapse(of credential: Principal.Credential) async throws -> AccessRefusal {
    let (stream, ring) = AsyncStream.makeStream(of: Void.self)
    let number = state.withLock { state in
      state.nextWatcher += 1
      state.watchers[state.nextWatcher] = Watcher(credential: credential, ring: ring)
      return state.nextWatcher
    }
    defer { state.withLock { _ = $0.watchers.removeValue(forKey: number) } }
    do throws(AccessRefusal) {
      // It may have ended since it was looked up.
      try confirm(credential)
    } catch {
      return error
    }
    for await _ in stream {}
    try Task.checkCancellation()
    do throws(AccessRefusal) {
      try confirm(credential)
    } catch {
      return error
    }
    return AccessRefusal(.unauthenticated, "the credential is no longer good")
  }

  /// - Throws: `AccessRefusal`, when the credential is no longer good.
  package func confirm(_ credential: Principal.Credential) throws(AccessRefusal) {
    let token = credential.hash.flatMap { hash in state.withLock { $0.byHash[hash] } }
    if let refusal = Self.lapsed(credential, token, at: now()) { throw refusal }
  }

  private func endLapsed() {
    let now = now()
    let ended = state.withLock { state in
      let ended = state.watchers.filter {
        let credential = $0.value.credential
        return Self.lapsed(credential, credential.hash.flatMap { state.byHash[$0] }, at: now) != nil
      }
      for number in ended.keys { state.watchers[number] = nil }
      return ended.values.map(\.ring)
    }
    for ring in ended { ring.finish() }
  }

  private static func lapsed(
    _ credential: Principal.Credential,
    _ token: AccessToken?,
    at now: Date
  ) -> AccessRefusal? {
    switch credential {
    case .certificate(let notAfter):
      guard notAfter <= now else { return nil }
      return AccessRefusal(.unauthenticated, "the certificate has expired; connect with a new one")
    case .token:
      guard let token else {
        return AccessRefusal(
          .unauthenticated,
          "the access token was rotated or removed; use its new text"
        )
      }
      return over(token, at: now)
    }
  }
}

extension AccessRoster.Reads {
  fileprivate mutating func turn(of number: Int) -> AccessRoster.Turn {
    if answered >= number { return .answered }
    if let failed, failed.upTo >= number { return .failed(failed.error) }
    guard isUnderWay else {
      isUnderWay = true
      return .read(asked)
    }
    let (ended, ring) = AsyncStream.makeStream(of: Void.self)
    waiting.append(ring)
    return .wait(ended)
  }
}

extension Logger {
  fileprivate func warning(_ message: Message, _ error: any Error) {
    warning(message, metadata: ["error": "\(error)"])
  }
}

extension Principal.Credential {
  fileprivate var hash: Digest? {
    if case .token(let hash) = self { hash } else { nil }
  }
}

extension Digest {
  /// Looks at every byte, wherever the first difference is.
  fileprivate func equalsInConstantTime(_ other: Digest) -> Bool {
    zip(bytes, other.bytes).reduce(UInt8(0)) { $0 | ($1.0 ^ $1.1) } == 0
  }
}
