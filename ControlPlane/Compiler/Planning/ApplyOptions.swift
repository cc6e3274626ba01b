/// How documents are to be applied, and by whom.
package struct ApplyOptions: Hashable, Sendable {
  /// Deletes what the source owns and the documents leave out; tenants are never deleted.
  package struct Prune: Hashable, Sendable {
    /// Deletions that need no confirmation; more than half of what the source owns always does.
    package var limit: Int
    package var isConfirmed: Bool
    /// Slugs of the tenants in which it may delete; empty: all.
    package var tenants: Set<String>

    package init(limit: Int = 10, isConfirmed: Bool = false, tenants: Set<String> = []) {
      self.limit = limit
      self.isConfirmed = isConfirmed
      self.tenants = tenants
    }

    package func covers(_ tenant: String) -> Bool { tenants.isEmpty || tenants.contains(tenant) }
  }

  package var author: String
  package var reason: String
  /// Label of the place that the documents come from; empty for none.
  package var source: String
  /// Whether objects of other sources may be changed, and become this one's.
  package var takeOver: Bool
  package var prune: Prune?
  /// It is meant that a tenant loses most of its addresses.
  package var confirmsEmptying = false

  package init(
    author: String,
    reason: String,
    source: String = "",
    takeOver: Bool = false,
    prune: Prune? = nil
  ) {
    self.author = author
    self.reason = reason
    self.source = source
    self.takeOver = takeOver
    self.prune = prune
  }

  /// What is wrong with a label; nil when it can be one.
  package static func problem(ofSource label: String) -> String? {
    let isFine =
      label.utf8.count <= 200
      && label.unicodeScalars.allSatisfy { $0.value > 0x20 && $0.value != 0x7F }
    return isFine
      ? nil : "a source is at most 200 bytes without spaces, like github.com/medicly/config"
  }
}
