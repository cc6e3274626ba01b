internal import Logging
internal import Store

/// Removes what need not be kept, from time to time. Replicas that do so at once follow each other.
struct RetentionTimer: Sendable {
  private let store: Store
  private let every: Duration?
  private let logger: Logger

  init(store: Store, settings: ControlSettings, logger: Logger) {
    self.store = store
    every = settings.retentionEvery
    self.logger = logger
  }

  /// Goes on until cancelled, if there is a time at all; what fails is tried again the next time.
  func run() async throws {
    guard let every else { return }
    while true {
      do {
        let pruned = try await AuditOrigin.$current.withValue(AuditOrigin(actor: "system")) {
          try await store.pruneHistory(dryRun: false)
        }
        logger.notice(
          "what need not be kept was removed",
          metadata: [
            "versions": "\(pruned.versions)", "changes": "\(pruned.changes)",
            "sections": "\(pruned.sections)", "audit_entries": "\(pruned.auditEntries)",
            "oldest_revision": "\(pruned.oldest)",
          ]
        )
      } catch let error where !(error is CancellationError) && !Task.isCancelled {
        logger.warning("the retention was not carried out", metadata: ["error": "\(error)"])
      }
      try await Task.sleep(for: every)
    }
  }
}
