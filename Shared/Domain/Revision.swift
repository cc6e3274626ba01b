/// The state of the whole configuration after one commit: gap-free and strictly increasing.
///
/// `.zero` means that nothing has been seen yet. Not to be confused with the version of one tier.
package struct Revision: Hashable, Sendable, Comparable, Codable, CustomStringConvertible {
  package let value: Int64

  package init(_ value: Int64) { self.value = value }

  package static let zero = Revision(0)

  /// The revision that follows this one.
  package var next: Revision { Revision(value + 1) }

  package var description: String { String(value) }

  package static func < (a: Self, b: Self) -> Bool { a.value < b.value }

  package init(from decoder: any Decoder) throws {
    value = try decoder.singleValueContainer().decode(Int64.self)
  }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(value)
  }
}
