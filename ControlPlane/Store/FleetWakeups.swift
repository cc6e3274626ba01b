internal import Logging
internal import Postgres

/// What replicas say to each other aside of the tables, to be quick; a lost word costs a moment.
package enum FleetWord: String, Sendable {
  /// Somebody waits for nodes: tell at once what they acknowledge.
  case wait
  /// Something was told.
  case told
}

extension Store {
  /// Says a word to all replicas.
  package func say(_ word: FleetWord) async {
    do {
      try await fleet.query("select pg_notify(\(Self.fleetChannel), \(word.rawValue))")
    } catch {
      logger.debug("fleet not told", metadata: ["error": "\(error)"])
    }
  }

  /// Passes on what replicas say, until cancelled or the pool is shut down. Words may get lost while the
  /// database is away.
  package func hearFleet(_ take: @Sendable (FleetWord) -> Void) async throws {
    for try await heard in fleet.listen(Self.fleetChannel) {
      if case .notification(let payload) = heard, let word = FleetWord(rawValue: payload) {
        take(word)
      }
    }
  }
}
