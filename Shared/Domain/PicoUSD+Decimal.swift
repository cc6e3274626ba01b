/// Why a decimal text is no exact amount of pico-USD.
package enum DecimalFault: Error, Hashable, Sendable {
  case notADecimal
  /// Finer than 1e-12 USD.
  case tooFine
  case tooLarge
}

extension PicoUSD {
  private static let places = 12

  /// Reads US dollars from a decimal text such as "0.000003" or "3e-06", digit by digit: no binary
  /// number comes in between.
  package init(usd text: String) throws(DecimalFault) {
    var rest = Substring(text)
    let isNegative = rest.hasPrefix("-")
    if isNegative { rest.removeFirst() }
    let parts = rest.split(
      maxSplits: 1,
      omittingEmptySubsequences: false
    ) { $0 == "e" || $0 == "E" }
    let number = parts[0].split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
    let fraction = number.count > 1 ? String(number[1]) : ""
    let digits = String(number[0]) + fraction
    let exponent = parts.count > 1 ? Int(parts[1]) : 0
    guard !digits.isEmpty, digits.utf8.allSatisfy({ (0x30 ... 0x39).contains($0) }),
      !number[0].isEmpty, number.count == 1 || !fraction.isEmpty, let exponent,
      abs(exponent) < 1_000
    else { throw .notADecimal }
    var significant = digits.drop { $0 == "0" }
    var shift = exponent - fraction.count + Self.places
    while shift < 0, significant.last == "0" {
      significant.removeLast()
      shift += 1
    }
    guard !significant.isEmpty else {
      self.init(0)
      return
    }
    guard shift >= 0 else { throw .tooFine }
    guard significant.count + shift <= 19,
      let value = Int64(significant + String(repeating: "0", count: shift))
    else { throw .tooLarge }
    self.init(isNegative ? -value : value)
  }
}
