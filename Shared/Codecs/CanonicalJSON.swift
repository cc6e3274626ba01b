package import Domain
internal import Foundation

/// Why a value has no canonical form.
package struct CanonicalJSONError: Error, Hashable, Sendable, CustomStringConvertible {
  package let description: String
}

/// RFC 8785 (JSON Canonicalization Scheme): one text for one value, so that its digest names it.
///
/// Integers keep all their digits, also beyond 2^53, where RFC 8785 would round.
package enum CanonicalJSON {
  /// - Throws: `CanonicalJSONError` for NaN and infinities.
  package static func encode(_ value: JSONValue) throws -> String {
    var text = ""
    try append(value, to: &text)
    return text
  }

  /// The canonical text of any `Encodable`, in the form that `JSONEncoder` gives it by default.
  ///
  /// - Throws: `CanonicalJSONError`, `EncodingError`.
  package static func encode(_ value: some Encodable) throws -> String {
    try encode(try JSONValueEncoder.value(of: value))
  }

  /// Reads what `encode` wrote.
  ///
  /// - Throws: `DecodingError`.
  package static func decode<T: Decodable>(_ text: String, as type: T.Type = T.self) throws -> T {
    try JSONDecoder().decode(T.self, from: Data(text.utf8))
  }

  /// SHA-256 of the text's UTF-8.
  package static func digest(of text: String) -> Digest {
    var text = text
    return text.withUTF8 { Digest(of: UnsafeRawBufferPointer($0)) }
  }

  private static func append(_ value: JSONValue, to text: inout String) throws {
    switch value {
    case .null: text += "null"
    case .bool(let it): text += it ? "true" : "false"
    case .int(let it): text += String(it)
    case .double(let it): text += try number(it)
    case .string(let it): append(it, to: &text)
    case .array(let elements):
      text += "["
      for (index, element) in elements.enumerated() {
        if index > 0 { text += "," }
        try append(element, to: &text)
      }
      text += "]"
    case .object(let members):
      text += "{"
      // RFC 8785 section 3.2.3: by UTF-16 code units.
      let keys = members.keys.sorted(by: precedes)
      for (index, key) in keys.enumerated() {
        if index > 0 { text += "," }
        append(key, to: &text)
        text += ":"
        try append(members[key] ?? .null, to: &text)
      }
      text += "}"
    }
  }

  /// By UTF-16 code units. UTF-8 has the same order, but for the characters beyond U+FFFF (lead bytes
  /// from F0), which UTF-16 puts before U+E000 through U+FFFF (EE and EF).
  private static func precedes(_ a: String, _ b: String) -> Bool {
    var one = a.utf8.makeIterator()
    var other = b.utf8.makeIterator()
    while true {
      guard let right = other.next() else { return false }
      guard let left = one.next() else { return true }
      guard left != right else { continue }
      if left >= 0xEE, right >= 0xEE { return a.utf16.lexicographicallyPrecedes(b.utf16) }
      return left < right
    }
  }

  /// Adds a string with its quotes.
  package static func append(_ string: String, to text: inout String) {
    text += "\""
    // Most texts hold nothing to escape.
    if string.utf8.allSatisfy({ $0 >= 0x20 && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\") }
    ) {
      text += string
      text += "\""
      return
    }
    for scalar in string.unicodeScalars {
      switch scalar {
      case "\"": text += "\\\""
      case "\\": text += "\\\\"
      case "\u{08}": text += "\\b"
      case "\u{09}": text += "\\t"
      case "\u{0A}": text += "\\n"
      case "\u{0C}": text += "\\f"
      case "\u{0D}": text += "\\r"
      case "\u{00}" ... "\u{1F}":
        let hex = String(scalar.value, radix: 16)
        text += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
      default: text.unicodeScalars.append(scalar)
      }
    }
    text += "\""
  }

  /// ECMAScript's Number::toString (ECMA-262 section 6.1.6.1.20), from the shortest digits.
  private static func number(_ value: Double) throws -> String {
    guard value.isFinite else {
      throw CanonicalJSONError(description: "JSON has no number for \(value)")
    }
    if value == 0 { return "0" }
    let sign = value < 0 ? "-" : ""
    // Swift prints the shortest digits that read back the same, as "d.ddde±x" or "ddd.ddd".
    let printed = "\(value.magnitude)".lowercased().split(separator: "e")
    let parts = printed[0].split(separator: ".", omittingEmptySubsequences: false)
    let fraction = parts.count > 1 && parts[1] != "0" ? String(parts[1]) : ""
    var digits = String(parts[0]) + fraction
    var point = parts[0].count + (printed.count > 1 ? Int(printed[1]) ?? 0 : 0)
    let leading = digits.prefix { $0 == "0" }.count
    digits.removeFirst(leading)
    point -= leading
    while digits.last == "0" { digits.removeLast() }
    let count = digits.count
    if count <= point, point <= 21 {
      return sign + digits + String(repeating: "0", count: point - count)
    }
    if 0 < point, point <= 21 {
      return sign + digits.prefix(point) + "." + digits.dropFirst(point)
    }
    if -6 < point, point <= 0 {
      return sign + "0." + String(repeating: "0", count: -point) + digits
    }
    let exponent = point - 1
    let mantissa = count == 1 ? digits : digits.prefix(1) + "." + digits.dropFirst()
    return sign + mantissa + "e" + (exponent < 0 ? "-" : "+") + String(exponent.magnitude)
  }
}

extension JSONValue {
  /// The canonical text; a number that has none is written as null.
  package var canonicalText: String {
    do { return try CanonicalJSON.encode(self) } catch { return "null" }
  }
}
