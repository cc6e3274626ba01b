package import Domain

/// The values in which two specs differ, by JSON Pointer: every value of an object by itself, elements
/// of a list by their ids or, without, by their places.
package func difference(
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
  if let old = before.arrayValue, let new = after.arrayValue {
    return elements(from: old, to: new, at: path)
  }
  return [.init(path: path, before: before, after: after)]
}

private func elements(
  from old: [JSONValue],
  to new: [JSONValue],
  at path: String
) -> [PlannedChange.Field] {
  // A short list of words reads best whole.
  let isPlain = (old + new).allSatisfy { $0.objectValue == nil && $0.arrayValue == nil }
  if isPlain, old.count != new.count, max(old.count, new.count) <= 8,
    (old + new).allSatisfy({ ($0.stringValue?.utf8.count ?? 0) <= 40 })
  {
    return [.init(path: path, before: .array(old), after: .array(new))]
  }
  let same = zip(old, new).prefix { $0 == $1 }.count
  let rest = min(old.count, new.count) - same
  let sameAtEnd = zip(old.reversed(), new.reversed()).prefix(rest).prefix { $0 == $1 }.count
  let (a, b) = (same ..< old.count - sameAtEnd, same ..< new.count - sameAtEnd)
  let names = (old[a].map(identity), new[b].map(identity))
  guard let before = unique(names.0), let after = unique(names.1) else {
    let pairs = min(a.count, b.count)
    return (0 ..< pairs).flatMap {
      difference(from: old[same + $0], to: new[same + $0], at: "\(path)/\(same + $0)")
    }
      + a.dropFirst(pairs).map { .init(path: "\(path)/\($0)", before: old[$0], after: nil) }
      + b.dropFirst(pairs).map { .init(path: "\(path)/\($0)", before: nil, after: new[$0]) }
  }
  let kept = Set(before).intersection(after)
  // What stands elsewhere among those that stay has moved, which a field by itself can't say.
  guard before.filter(kept.contains) == after.filter(kept.contains) else {
    return [.init(path: path, before: .array(old), after: .array(new))]
  }
  let places = Dictionary(zip(after, b), uniquingKeysWith: { first, _ in first })
  return zip(before, a).flatMap { name, place -> [PlannedChange.Field] in
    guard let other = places[name] else {
      return [.init(path: "\(path)/\(place)", before: old[place], after: nil)]
    }
    return difference(from: old[place], to: new[other], at: "\(path)/\(other)")
  }
    + zip(after, b).filter { !kept.contains($0.0) }
    .map { .init(path: "\(path)/\($0.1)", before: nil, after: new[$0.1]) }
}

/// What authors call an element of a list by.
private func identity(_ element: JSONValue) -> String? {
  for key in ["rule_id", "id", "name", "slug", "title"] {
    if let name = element[key]?.stringValue { return "\(key) \(name)" }
  }
  return nil
}

/// The names, if all have one of their own.
private func unique(_ names: [String?]) -> [String]? {
  let all = names.compactMap(\.self)
  return all.count == names.count && Set(all).count == all.count ? all : nil
}
