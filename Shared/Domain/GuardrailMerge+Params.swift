/// The strictest common form of two rules' params, key by key.
///
/// What a key means is told by its name, so that a node merges kinds that it doesn't know by the same
/// rules: `max…` is a limit from above, `min…` from below; `hosts` and `allow…` let things through;
/// every other list takes things out.
enum StrictestParams {
  static func of(_ a: [String: JSONValue], _ b: [String: JSONValue]) -> [String: JSONValue] {
    a.merging(b) { _, later in later }.reduce(into: [:]) {
      guard let one = a[$1.key], let other = b[$1.key], one != other else {
        $0[$1.key] = $1.value
        return
      }
      $0[$1.key] = value(one, other, key: $1.key)
    }
  }

  /// Deny beats allow: "allow_x" loses what "deny_x" has.
  static func withoutDenied(_ params: [String: JSONValue]) -> [String: JSONValue] {
    var result = params
    for (key, denied) in params where key.hasPrefix("deny") {
      let allowed = "allow\(key.dropFirst(4))"
      guard let list = result[allowed]?.arrayValue else { continue }
      let taken = denied.arrayValue ?? [denied]
      result[allowed] = .array(list.filter { !taken.contains($0) })
    }
    return result
  }

  private static func value(_ a: JSONValue, _ b: JSONValue, key: String) -> JSONValue {
    if key == "max" || key.hasPrefix("max_") { return lesser(a, b) ? a : b }
    if key == "min" || key.hasPrefix("min_") { return greater(a, b) ? a : b }
    // Kinds of personal data: a list that names none means all.
    if key == "detect", [a, b].contains([]) { return [] }
    switch (a, b) {
    case (.string(let one), .string(let other)) where key == "pattern":
      return .string("(?:\(one))|(?:\(other))")
    case (.array(let one), .array(let other)) where key == "hosts":
      return .array(commonHosts(one, other))
    case (.array(let one), .array(let other)) where key.hasPrefix("allow"):
      return .array(one.filter(other.contains))
    case (.array, .array), (.array, .string), (.string, .array):
      return united(a, b)
    // What must be said: all of it.
    case (.string, .string) where key == "text":
      return united(a, b)
    default: return b
    }
  }

  private static func united(_ a: JSONValue, _ b: JSONValue) -> JSONValue {
    let one = a.arrayValue ?? [a]
    let other = b.arrayValue ?? [b]
    return .array(one + other.filter { !one.contains($0) })
  }

  /// Hosts that both lists let through: "shop.example" is among "*.example".
  private static func commonHosts(_ a: [JSONValue], _ b: [JSONValue]) -> [JSONValue] {
    func covers(_ list: [JSONValue], _ host: JSONValue) -> Bool {
      list.contains { entry in
        if entry == host { return true }
        guard let entry = entry.stringValue, entry.hasPrefix("*."), let host = host.stringValue
        else { return false }
        return host.hasSuffix(entry.dropFirst())
      }
    }
    let first = a.filter { covers(b, $0) }
    return first + b.filter { covers(a, $0) && !first.contains($0) }
  }

  // By value; what is no number is no limit, and loses.
  private static func lesser(_ a: JSONValue, _ b: JSONValue) -> Bool {
    (a.doubleValue ?? .infinity) <= (b.doubleValue ?? .infinity)
  }

  private static func greater(_ a: JSONValue, _ b: JSONValue) -> Bool {
    (a.doubleValue ?? -.infinity) >= (b.doubleValue ?? -.infinity)
  }
}
