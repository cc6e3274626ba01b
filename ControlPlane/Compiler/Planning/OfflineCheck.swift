package import Domain
internal import Foundation

/// Checks documents without knowing what is stored.
package struct OfflineCheck: Sendable {
  package private(set) var diagnostics: [Diagnostic] = []
  /// Tenants of which only each document by itself was checked.
  package private(set) var unchecked: [String] = []

  /// - Parameters:
  ///   - isPartial: references may lead to what is stored already, and are not looked at.
  ///   - toolAllow: as the daemon has it; nil leaves open where tools go.
  package init(documents: [AuthoredDocument], isPartial: Bool, toolAllow: Set<String>?) {
    let whole =
      isPartial ? [] : Set(documents.filter { $0.key.kind == .tenant }.map(\.key.tenant))
    let parts = documents.filter { !whole.contains($0.key.tenant) }
    unchecked = Set(parts.map(\.key.tenant)).sorted()
    diagnostics = DocumentCheck.diagnostics(of: parts)
    var minted: UInt64 = 0
    let plan = Planner(toolAllow: toolAllow).plan(
      documents: documents.filter { whole.contains($0.key.tenant) },
      world: World(revision: .zero, objects: [:], routes: [], accountOwners: [:]),
      options: ApplyOptions(author: "", reason: ""),
      now: Date(timeIntervalSince1970: 0)
    ) {
      // Nothing is stored, so that any ids do.
      minted += 1
      return withUnsafeBytes(of: minted.bigEndian) { low in
        UUID(
          uuid: (
            0, 0, 0, 0, 0, 0, 0x40, 0, low[0] | 0x80, low[1], low[2], low[3], low[4], low[5],
            low[6], low[7]
          )
        )
      }
    }
    diagnostics += plan.diagnostics
  }
}
