package import Domain

/// What applying documents would do.
package struct Plan: Sendable {
  /// A row for every document and every deletion, in order of tenant and kind.
  package var changes: [PlannedChange]
  package var diagnostics: [Diagnostic]
  /// What to store; nil when there are errors or nothing changes.
  package var publication: Publication?
  /// Bindings whose digest changes, and those that are deleted.
  package var recompiled: [ObjectKey]
}

/// What becomes of one object.
package struct PlannedChange: Hashable, Sendable {
  package enum Action: String, Hashable, Sendable {
    case create
    case update
    case unchanged
    case delete
    /// Only the owner changes: no version is made.
    case adopt
  }

  /// One value that differs.
  package struct Field: Hashable, Sendable {
    /// JSON Pointer. Into a list: the place afterwards, or before for what is gone.
    package var path: String
    package var before: JSONValue?
    package var after: JSONValue?
  }

  package var action: Action
  package var key: ObjectKey
  /// 0 when it did not exist.
  package var fromVersion: Int32
  package var toVersion: Int32
  package var fields: [Field]
  /// Label of the source that owned it.
  package var fromSource: String
  /// Label of the source that owns it afterwards.
  package var toSource: String
}
