internal import Domain
package import Foundation

/// Rows in COPY's text format (PostgreSQL manual, "COPY", File Formats).
struct CopyEncoder: Sendable {
  private(set) var bytes: [UInt8] = []
  let statement: String?

  init(statement: String?) {
    self.statement = statement
  }

  /// Throws a `PostgresError` of kind `encode` for a value that PostgreSQL cannot hold.
  mutating func append(_ row: [any PostgresValue]) throws {
    for (index, value) in row.enumerated() {
      if index > 0 { bytes.append(UInt8(ascii: "\t")) }
      guard let reason = value.appendCopyText(to: &bytes) else { continue }
      throw PostgresError(.encode, reason, statement: statement)
    }
    bytes.append(UInt8(ascii: "\n"))
  }

  mutating func takeBytes() -> [UInt8] {
    defer { bytes.removeAll(keepingCapacity: true) }
    return bytes
  }
}

extension PostgresValue {
  package func appendCopyText(to text: inout [UInt8]) -> String? {
    switch postgresParameter.content {
    case .null: text += [UInt8(ascii: "\\"), UInt8(ascii: "N")]
    case .text(var value): value.withUTF8 { appendEscaped($0, to: &text) }
    case .bytes(let value): hexText(value).withUnsafeBufferPointer { appendEscaped($0, to: &text) }
    case .invalid(let reason): return reason
    }
    return nil
  }
}

// The usual values, without a text of their own in between.

extension String {
  package func appendCopyText(to text: inout [UInt8]) -> String? {
    var value = self
    let isSound = value.withUTF8 { bytes in
      guard !bytes.contains(0) else { return false }
      appendEscaped(bytes, to: &text)
      return true
    }
    return isSound ? nil : PostgresParameter.holdsNUL
  }
}

extension UUID {
  package func appendCopyText(to text: inout [UInt8]) -> String? {
    var value = self.text
    value.withUTF8 { text.append(contentsOf: $0) }
    return nil
  }
}

extension PostgresValue where Self: FixedWidthInteger {
  package func appendCopyText(to text: inout [UInt8]) -> String? {
    if self < 0 { text.append(UInt8(ascii: "-")) }
    appendDecimal(UInt64(magnitude), to: &text)
    return nil
  }
}

extension Bool {
  package func appendCopyText(to text: inout [UInt8]) -> String? {
    text.append(UInt8(ascii: self ? "t" : "f"))
    return nil
  }
}

extension Optional where Wrapped: PostgresValue {
  package func appendCopyText(to text: inout [UInt8]) -> String? {
    if let self { return self.appendCopyText(to: &text) }
    text += [UInt8(ascii: "\\"), UInt8(ascii: "N")]
    return nil
  }
}

/// With zeros ahead up to `width` digits.
func appendDecimal(_ number: UInt64, width: Int = 1, to text: inout [UInt8]) {
  var power: UInt64 = 1
  var digits = 1
  while digits < width || number / power >= 10 {
    power *= 10
    digits += 1
  }
  while power > 0 {
    text.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: number / power % 10))
    power /= 10
  }
}

/// What needs no escape, which is most of a text, goes over in one piece.
private func appendEscaped(_ value: UnsafeBufferPointer<UInt8>, to text: inout [UInt8]) {
  var start = value.startIndex
  for index in value.indices {
    let letter: UInt8
    switch value[index] {
    case UInt8(ascii: "\\"): letter = UInt8(ascii: "\\")
    case UInt8(ascii: "\t"): letter = UInt8(ascii: "t")
    case UInt8(ascii: "\n"): letter = UInt8(ascii: "n")
    case UInt8(ascii: "\r"): letter = UInt8(ascii: "r")
    default: continue
    }
    text.append(contentsOf: value[start ..< index])
    text.append(UInt8(ascii: "\\"))
    text.append(letter)
    start = index + 1
  }
  text.append(contentsOf: value[start...])
}
