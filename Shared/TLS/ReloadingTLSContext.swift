package import Logging
internal import Synchronization

/// A `TLSContext` that follows its files: new sessions use what the files hold now, open ones go on.
///
/// A set of files that can't be used, e.g. a new certificate without its new key yet, is logged once
/// and the old one stays until the files change again.
package final class ReloadingTLSContext: Sendable {
  private struct State {
    var context: TLSContext
    /// Of the files as they were when last read, usable or not.
    var stamps: [FileStamp]
    var generation = 1
  }

  package let role: TLSRole
  package let credentials: TLSCredentials
  private let logger: Logger
  private let state: Mutex<State>
  /// One reload at a time, so that an older read never stands over a newer one.
  private let reloading = Mutex(())

  /// - Throws: `CredentialFailure`.
  package init(
    role: TLSRole,
    credentials: TLSCredentials,
    logger: Logger
  ) throws(CredentialFailure) {
    self.role = role
    self.credentials = credentials
    self.logger = logger
    // Stamps first: a file that changes while it is read is read again.
    let stamps = credentials.paths.map(FileStamp.init)
    let context = try TLSContext(role: role, credentials: credentials)
    state = Mutex(State(context: context, stamps: stamps))
    for warning in context.warnings { logger.warning("\(warning)") }
  }

  /// For the next session.
  package var current: TLSContext { state.withLock { $0.context } }
  /// How many times credentials were taken, the first included.
  package var generation: Int { state.withLock { $0.generation } }

  /// Reads the files again if one of them changed. Returns whether new ones are used now.
  @discardableResult
  package func reloadIfChanged() -> Bool {
    reloading.withLock { _ in
      let stamps = credentials.paths.map(FileStamp.init)
      guard stamps != state.withLock({ $0.stamps }) else { return false }
      return load(stamps)
    }
  }

  /// Reads the files again, e.g. because an operator asked. Returns whether they are used now.
  @discardableResult
  package func reload() -> Bool {
    reloading.withLock { _ in load(credentials.paths.map(FileStamp.init)) }
  }

  private func load(_ stamps: [FileStamp]) -> Bool {
    do {
      let context = try TLSContext(role: role, credentials: credentials)
      state.withLock { state in
        state.context = context
        state.stamps = stamps
        state.generation += 1
      }
      for warning in context.warnings { logger.warning("\(warning)") }
      logger.notice("certificates were read again; new connections use them")
      return true
    } catch {
      state.withLock { $0.stamps = stamps }
      logger.error("the certificates on disk can't be used, the former ones stay: \(error)")
      return false
    }
  }

  /// Looks at the files at every interval, until cancelled.
  package func watch(every interval: Duration = .seconds(10)) async {
    while true {
      do {
        try await Task.sleep(for: interval)
      } catch {
        return
      }
      reloadIfChanged()
    }
  }
}
