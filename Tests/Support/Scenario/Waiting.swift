/// Looks again and again until `look` finds something.
///
/// - Parameter what: Said when the time is over.
package func waitFor<T>(
  _ what: String,
  within limit: Duration,
  every pause: Duration = .milliseconds(10),
  _ look: () async throws -> T?
) async throws -> T {
  let start = ContinuousClock.now
  while true {
    if let found = try await look() { return found }
    guard ContinuousClock.now - start < limit else {
      throw ScenarioFailure("waited \(limit) in vain until \(what)")
    }
    try await Task.sleep(for: pause)
  }
}

/// Looks again and again until `condition` holds.
package func waitUntil(
  _ what: String,
  within limit: Duration,
  every pause: Duration = .milliseconds(10),
  _ condition: () async throws -> Bool
) async throws {
  try await waitFor(what, within: limit, every: pause) { try await condition() ? () : nil }
}
