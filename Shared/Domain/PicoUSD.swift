/// Money in units of 1e-12 US dollars, exact; rounded only for display and for numeric(12,6).
package struct PicoUSD: Hashable, Sendable, Comparable, Codable {
  package let value: Int64

  package init(_ value: Int64) { self.value = value }

  package static let zero = PicoUSD(0)

  package static func + (a: Self, b: Self) -> Self { Self(a.value + b.value) }
  package static func < (a: Self, b: Self) -> Bool { a.value < b.value }

  /// Decimal text with six places, rounded half away from zero: the form of numeric(12,6).
  package var usdText: String {
    let micro = (abs(value) + 500_000) / 1_000_000
    let fraction = String(micro % 1_000_000)
    let padded = String(repeating: "0", count: 6 - fraction.count) + fraction
    return "\(value < 0 ? "-" : "")\(micro / 1_000_000).\(padded)"
  }

  package init(from decoder: any Decoder) throws {
    value = try decoder.singleValueContainer().decode(Int64.self)
  }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(value)
  }
}
