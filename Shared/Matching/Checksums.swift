/// Check digits of the numbers that people must not leak.
package enum Checksums {
  /// Luhn's check (ISO/IEC 7812-1, annex B), for payment cards.
  package static func luhn(_ digits: [UInt8]) -> Bool {
    var sum = 0
    for (index, digit) in digits.reversed().enumerated() {
      let doubled = Int(digit) * (index % 2 == 0 ? 1 : 2)
      sum += doubled > 9 ? doubled - 9 : doubled
    }
    return !digits.isEmpty && sum % 10 == 0
  }

  /// Verhoeff's check (1969), for Aadhaar numbers.
  package static func verhoeff(_ digits: [UInt8]) -> Bool {
    var check = 0
    for (index, digit) in digits.reversed().enumerated() {
      guard digit < 10 else { return false }
      check = product(check, permuted(Int(digit), times: index % 8))
    }
    return !digits.isEmpty && check == 0
  }

  /// The multiplication of the dihedral group D5.
  private static func product(_ a: Int, _ b: Int) -> Int {
    switch (a < 5, b < 5) {
    case (true, true): (a + b) % 5
    case (true, false): 5 + (a + b) % 5
    case (false, true): 5 + (a - b + 5) % 5
    case (false, false): (a - b + 5) % 5
    }
  }

  private static let permutation = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4]

  private static func permuted(_ digit: Int, times: Int) -> Int {
    (0 ..< times).reduce(digit) { result, _ in permutation[result] }
  }
}
