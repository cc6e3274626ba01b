package import Domain
internal import Foundation

/// A logical name's meaning on a certain day.
package struct ResolvedModel: Hashable, Sendable {
  package var logicalName: String
  /// "anthropic", "simulated" …
  package var provider: String
  /// The id that the provider knows.
  package var wireID: String
  /// nil: nothing is known.
  package var capabilities: ModelCapabilities?

  package init(
    logicalName: String,
    provider: String,
    wireID: String,
    capabilities: ModelCapabilities? = nil
  ) {
    self.logicalName = logicalName
    self.provider = provider
    self.wireID = wireID
    self.capabilities = capabilities
  }
}

/// Looks logical names up in the alias table.
package enum ModelResolver {
  /// nil when the name has no meaning on that day.
  ///
  /// Of several spans that hold the day, the one that began last counts.
  /// - Parameter day: ISO date, for example "2026-11-30".
  package static func resolve(
    _ name: String,
    on day: String,
    tables: ModelTables
  ) -> ResolvedModel? {
    let valid = (tables.aliases[name] ?? []).filter { alias in
      (alias.effectiveFrom ?? "") <= day && alias.effectiveTo.map { day < $0 } ?? true
    }
    guard let alias = valid.max(by: { ($0.effectiveFrom ?? "") < ($1.effectiveFrom ?? "") })
    else { return nil }
    return ResolvedModel(
      logicalName: name,
      provider: alias.provider,
      wireID: alias.wireID,
      capabilities: alias.capabilities
    )
  }

  /// The day, in UTC, of a Unix time in ms.
  package static func day(unixMS: Int64) -> String {
    Date(timeIntervalSince1970: Double(unixMS) / 1000)
      .formatted(.iso8601.year().month().day())
  }
}
