/// Which statements a connection has prepared, by text and types; the least recently used goes first.
struct PreparedStatements: Sendable {
  struct Key: Hashable, Sendable {
    var text: String
    var types: [UInt32]
  }

  private struct Entry: Sendable {
    var name: String
    var lastUse: Int
  }

  private var entries: [Key: Entry] = [:]
  private var uses = 0
  private var names = 0
  private let limit: Int
  /// Names that the server still holds and that nothing refers to.
  private(set) var abandoned: [String] = []

  init(limit: Int = 256) {
    self.limit = limit
  }

  mutating func name(for key: Key) -> String? {
    guard var entry = entries[key] else { return nil }
    uses += 1
    entry.lastUse = uses
    entries[key] = entry
    return entry.name
  }

  mutating func newName() -> String {
    names += 1
    return "s\(names)"
  }

  /// The server has prepared the statement under this name.
  mutating func insert(_ key: Key, name: String) {
    uses += 1
    if let old = entries.updateValue(Entry(name: name, lastUse: uses), forKey: key) {
      abandoned.append(old.name)
    }
    guard entries.count > limit,
      let oldest = entries.min(by: { $0.value.lastUse < $1.value.lastUse })
    else { return }
    entries[oldest.key] = nil
    abandoned.append(oldest.value.name)
  }

  /// The server refuses to run it as it was prepared, or does not know it any more.
  mutating func remove(_ key: Key) {
    if let entry = entries.removeValue(forKey: key) { abandoned.append(entry.name) }
  }

  /// The server has forgotten these names.
  mutating func deallocated(_ names: [String]) {
    abandoned.removeAll { names.contains($0) }
  }
}
