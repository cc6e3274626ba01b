internal import API
internal import Access
internal import Foundation
internal import GRPCCore
internal import Logging
internal import Observability
internal import Store
internal import WireServices

/// Who may call this daemon, as its settings say.
struct AccessControl {
  let tokens: TokenService
  private let refusals: RefusalLog
  private let failures: AuthenticationFailures
  private let limits: CallLimits
  private let roster: AccessRoster
  private let settings: ControlSettings
  private let logger: Logger

  init(settings: ControlSettings, store: Store, logger: Logger) {
    self.settings = settings
    self.logger = logger
    roster = AccessRoster(source: .init(store), logger: logger)
    tokens = TokenService(store: store, roster: roster, limit: settings.tokensPerTenant)
    refusals = RefusalLog(logger: logger) { refusal in
      try await store.auditRefusal(
        of: refusal.origin,
        tenant: refusal.tenant,
        action: refusal.method,
        detail: refusal.why
      )
    }
    failures = AuthenticationFailures(perMinute: settings.authFailuresPerMinute)
    limits = CallLimits(
      people: settings.callsPerCaller,
      nodes: settings.callsPerNode,
      logger: logger
    )
  }

  /// For the metrics.
  var unauthenticated: (told: Int, exhausted: Int) {
    let counts = failures.counts
    return (counts.told, counts.exhausted)
  }

  /// Calls of known callers that were refused, and such of them that are not in the audit log.
  var refused: (all: Int, unwritten: Int) {
    let counts = refusals.counts
    return (counts.refused, counts.unwritten)
  }

  /// Calls of callers that had as many in flight as they may have.
  var overLimit: Int { limits.refused }

  /// What stands before all methods; with open access only what the audit log needs.
  var interceptors: [ConditionalInterceptor<any ServerInterceptor>] {
    guard settings.access == .tokens else {
      return [.apply(OriginInterceptor(), to: .services([Bindery_V1_Admin.descriptor]))]
    }
    let interceptor = AccessInterceptor(
      roster: roster,
      certificates: NodeCertificate(acceptsCommonName: settings.nodesByCommonName),
      failures: failures,
      refusals: refusals,
      limits: limits,
      logger: logger
    )
    return [.apply(interceptor, to: .all)]
  }

  /// A method that nobody has made a rule for would be refused to everyone: better not to start.
  ///
  /// - Throws: `ProgramFailure`.
  func check(_ methods: [MethodDescriptor]) throws {
    let open = methods.filter { AccessRules.requirement(of: $0) == nil }
    guard open.isEmpty else {
      let names = open.map(\.fullyQualifiedMethod).sorted().joined(separator: ", ")
      throw ProgramFailure(.fault, "a fault: no access rule for \(names)")
    }
  }

  /// Reads the tokens, and writes the first one where there is none and a file is named for it.
  ///
  /// - Throws: `ProgramFailure` when the file can't be written; `PostgresError`, `StoreError`.
  func prepare() async throws {
    try await roster.refresh()
    guard let path = settings.bootstrapTokenFile else { return }
    let made = try await tokens.bootstrap { text in try Self.write(text.text, to: path) }
    if let made {
      logger.notice(
        "first access token written",
        metadata: ["token": "\(made.id)", "file": "\(path)"]
      )
    }
  }

  /// Follows changes of the tokens until cancelled.
  func run() async throws {
    guard settings.access == .tokens else { return }
    try await withThrowingTaskGroup { group in
      group.addTask { try await roster.run() }
      group.addTask { await refusals.run() }
      defer { group.cancelAll() }
      try await group.next()
    }
  }

  /// Once nobody calls any more: what still waits to be written is.
  func finish() async {
    await refusals.finish(within: .seconds(3))
  }

  /// Replaces an earlier token's file, and nothing else.
  private static func write(_ text: String, to path: String) throws {
    let manager = FileManager.default
    if manager.fileExists(atPath: path) {
      let found = manager.contents(atPath: path).map { String(decoding: $0, as: UTF8.self) } ?? ""
      let content = found.trimmingCharacters(in: .whitespacesAndNewlines)
      guard content.isEmpty || TokenText(content) != nil else {
        throw ProgramFailure(
          .usage,
          "bootstrap-token-file is '\(path)', which holds something else; name another file"
        )
      }
    }
    let parent = URL(filePath: path).deletingLastPathComponent()
    let new = parent.appending(path: ".\(UUID().uuidString)").path
    // Made for its owner only, and then given its name: nobody else can ever read it.
    guard
      manager.createFile(
        atPath: new,
        contents: nil,
        attributes: [.posixPermissions: 0o600]
      )
    else {
      throw ProgramFailure(
        .unusable,
        "the first access token can't be written to '\(path)'; name a file in a folder that exists and may be written to"
      )
    }
    do {
      try manager.setAttributes([.posixPermissions: 0o600], ofItemAtPath: new)
      let file = try FileHandle(forWritingTo: URL(filePath: new))
      try file.write(contentsOf: Data((text + "\n").utf8))
      try file.synchronize()
      try file.close()
      guard rename(new, path) == 0 else { throw CocoaError(.fileWriteUnknown) }
    } catch {
      unlink(new)
      throw ProgramFailure(.unusable, "the first access token can't be written to '\(path)'")
    }
  }
}
