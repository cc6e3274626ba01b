package import Domain

/// What applying documents would do.
package struct Plan: Sendable {
  /// A row for every document, in order of tenant and kind.
  package var changes: [PlannedChange]
  package var diagnostics: [Diagnostic]
  /// What to store; nil when there are errors or nothing changes.
  package var publication: Publication?
  /// Bindings whose digest changes.
  package var recompiled: [ObjectKey]
}

/// What becomes of one object.
package struct PlannedChange: Hashable, Sendable {
  package enum Action: String, Hashable, Sendable {
    case create
    case update
    case unchanged
  }

  /// One value that differs.
  package struct Field: Hashable, Sendable {
    /// JSON Pointer.
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
}

/// The values in which two specs differ, deepest first found, by JSON Pointer.
func difference(
  from before: JSONValue,
  to after: JSONValue,
  at path: String = ""
) -> [PlannedChange.Field] {
  if before == after { return [] }
  if let old = before.objectValue, let new = after.objectValue {
    return Set(old.keys).union(new.keys).sorted().flatMap { key -> [PlannedChange.Field] in
      let pointer = pointer(path, key)
      guard let a = old[key] else { return [.init(path: pointer, before: nil, after: new[key])] }
      guard let b = new[key] else { return [.init(path: pointer, before: a, after: nil)] }
      return difference(from: a, to: b, at: pointer)
    }
  }
  if let old = before.arrayValue, let new = after.arrayValue, old.count == new.count {
    return old.indices.flatMap { difference(from: old[$0], to: new[$0], at: "\(path)/\($0)") }
  }
  return [.init(path: path, before: before, after: after)]
}
