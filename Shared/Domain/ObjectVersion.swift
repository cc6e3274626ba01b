package import Foundation

/// One version of an object, as the history keeps it.
package struct ObjectVersion: Hashable, Sendable {
  package var version: Int32
  /// That brought it; `.zero` when it is older than the record of revisions.
  package var revision: Revision
  package var createdAt: Date
  package var author: String
  package var reason: String
  /// Label of the source that it came from.
  package var source: String
  /// The spec; nil when this version is that the object was deleted.
  package var spec: JSONValue?

  package init(
    version: Int32,
    revision: Revision,
    createdAt: Date,
    author: String,
    reason: String,
    source: String,
    spec: JSONValue?
  ) {
    self.version = version
    self.revision = revision
    self.createdAt = createdAt
    self.author = author
    self.reason = reason
    self.source = source
    self.spec = spec
  }
}
