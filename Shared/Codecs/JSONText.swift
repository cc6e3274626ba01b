package import Domain

/// A text that is no JSON, and where.
package struct JSONTextError: Error, Hashable, Sendable, CustomStringConvertible {
  /// From 1; columns count UTF-8 bytes.
  package let line: Int
  package let column: Int
  package let message: String
  package var description: String { "line \(line), column \(column): \(message)" }
}

/// Reads JSON (RFC 8259), strictly: no duplicate keys, no more than 64 levels, nothing after the value.
package enum JSONText {
  package static let maxDepth = 64

  /// - Parameter decimalsAsText: Numbers that are no Int64 come as texts with all their digits, for
  ///   callers whose numbers must not become binary ones, such as prices.
  /// - Throws: `JSONTextError`.
  package static func parse(
    _ text: String,
    decimalsAsText: Bool = false
  ) throws(JSONTextError) -> JSONValue {
    var parser = Parser(bytes: Array(text.utf8), decimalsAsText: decimalsAsText)
    return try parser.document()
  }

  private struct Parser {
    static let digits = UInt8(ascii: "0") ... UInt8(ascii: "9")

    let bytes: [UInt8]
    let decimalsAsText: Bool
    var index = 0

    mutating func document() throws(JSONTextError) -> JSONValue {
      let value = try value(depth: 0)
      skipSpace()
      guard index == bytes.count else { throw failure("something follows the value") }
      return value
    }

    private func failure(_ message: String) -> JSONTextError {
      let before = bytes[..<min(index, bytes.count)]
      let line = before.count { $0 == UInt8(ascii: "\n") } + 1
      let start = before.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
      return JSONTextError(line: line, column: before.count - start + 1, message: message)
    }

    private var current: UInt8? { index < bytes.count ? bytes[index] : nil }

    private mutating func skipSpace() {
      while let byte = current, [0x20, 0x09, 0x0A, 0x0D].contains(byte) { index += 1 }
    }

    private mutating func value(depth: Int) throws(JSONTextError) -> JSONValue {
      skipSpace()
      switch current {
      case UInt8(ascii: "{"): return try object(depth: depth)
      case UInt8(ascii: "["): return try array(depth: depth)
      case UInt8(ascii: "\""): return .string(try string())
      case UInt8(ascii: "t"): return try word("true", .bool(true))
      case UInt8(ascii: "f"): return try word("false", .bool(false))
      case UInt8(ascii: "n"): return try word("null", .null)
      case nil: throw failure("the text ends where a value is due")
      case let byte? where byte == UInt8(ascii: "-") || Self.digits.contains(byte):
        return try number()
      default: throw failure("no value starts like this")
      }
    }

    private mutating func word(
      _ text: String,
      _ value: JSONValue
    ) throws(JSONTextError) -> JSONValue {
      guard bytes[index...].starts(with: text.utf8) else {
        throw failure("no value starts like this")
      }
      index += text.utf8.count
      return value
    }

    private mutating func object(depth: Int) throws(JSONTextError) -> JSONValue {
      guard depth < JSONText.maxDepth else { throw failure("more than 64 levels") }
      index += 1
      var members: [String: JSONValue] = [:]
      skipSpace()
      if current == UInt8(ascii: "}") {
        index += 1
        return .object(members)
      }
      while true {
        skipSpace()
        guard current == UInt8(ascii: "\"") else { throw failure("a key in quotes is due") }
        let start = index
        let key = try string()
        guard members[key] == nil else {
          index = start
          throw failure("the key \"\(key.prefix(40))\" is there twice")
        }
        skipSpace()
        guard current == UInt8(ascii: ":") else { throw failure("':' is due") }
        index += 1
        members[key] = try value(depth: depth + 1)
        skipSpace()
        switch current {
        case UInt8(ascii: ","): index += 1
        case UInt8(ascii: "}"):
          index += 1
          return .object(members)
        default: throw failure("',' or '}' is due")
        }
      }
    }

    private mutating func array(depth: Int) throws(JSONTextError) -> JSONValue {
      guard depth < JSONText.maxDepth else { throw failure("more than 64 levels") }
      index += 1
      var elements: [JSONValue] = []
      skipSpace()
      if current == UInt8(ascii: "]") {
        index += 1
        return .array(elements)
      }
      while true {
        elements.append(try value(depth: depth + 1))
        skipSpace()
        switch current {
        case UInt8(ascii: ","): index += 1
        case UInt8(ascii: "]"):
          index += 1
          return .array(elements)
        default: throw failure("',' or ']' is due")
        }
      }
    }

    private mutating func number() throws(JSONTextError) -> JSONValue {
      let start = index
      if current == UInt8(ascii: "-") { index += 1 }
      let integerStart = index
      skipDigits()
      guard index > integerStart else { throw failure("digits are due after '-'") }
      guard bytes[integerStart] != UInt8(ascii: "0") || index == integerStart + 1 else {
        throw failure("a number has no leading zeros")
      }
      var isInteger = true
      if current == UInt8(ascii: ".") {
        isInteger = false
        index += 1
        let fraction = index
        skipDigits()
        guard index > fraction else { throw failure("digits are due after '.'") }
      }
      if current == UInt8(ascii: "e") || current == UInt8(ascii: "E") {
        isInteger = false
        index += 1
        if current == UInt8(ascii: "+") || current == UInt8(ascii: "-") { index += 1 }
        let exponent = index
        skipDigits()
        guard index > exponent else { throw failure("digits are due in the exponent") }
      }
      let text = String(decoding: bytes[start ..< index], as: UTF8.self)
      if isInteger, let value = Int64(text) { return .int(value) }
      if decimalsAsText { return .string(text) }
      guard let value = Double(text), value.isFinite else {
        throw failure("the number is too large")
      }
      return .double(value)
    }

    private mutating func skipDigits() {
      while let byte = current, Self.digits.contains(byte) { index += 1 }
    }

    private mutating func string() throws(JSONTextError) -> String {
      index += 1
      var result: [UInt8] = []
      // What needs no look goes over in one piece.
      var start = index
      while let byte = current {
        switch byte {
        case UInt8(ascii: "\""):
          let rest = bytes[start ..< index]
          index += 1
          if result.isEmpty { return String(decoding: rest, as: UTF8.self) }
          result += rest
          return String(decoding: result, as: UTF8.self)
        case UInt8(ascii: "\\"):
          result += bytes[start ..< index]
          index += 1
          try escape(into: &result)
          start = index
        case 0 ..< 0x20: throw failure("a control character in a string must be escaped")
        default: index += 1
        }
      }
      throw failure("the string does not end")
    }

    private mutating func escape(into result: inout [UInt8]) throws(JSONTextError) {
      guard let byte = current else { throw failure("the string does not end") }
      index += 1
      switch byte {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): result.append(byte)
      case UInt8(ascii: "b"): result.append(0x08)
      case UInt8(ascii: "f"): result.append(0x0C)
      case UInt8(ascii: "n"): result.append(0x0A)
      case UInt8(ascii: "r"): result.append(0x0D)
      case UInt8(ascii: "t"): result.append(0x09)
      case UInt8(ascii: "u"):
        var code = UInt32(try hex4())
        if (0xD800 ..< 0xDC00).contains(code), bytes[index...].starts(with: "\\u".utf8) {
          index += 2
          let low = UInt32(try hex4())
          guard (0xDC00 ..< 0xE000).contains(low) else { throw failure("half a surrogate pair") }
          code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
        }
        guard let scalar = Unicode.Scalar(code) else { throw failure("half a surrogate pair") }
        result += Array(String(Character(scalar)).utf8)
      default: throw failure("no such escape")
      }
    }

    private mutating func hex4() throws(JSONTextError) -> UInt16 {
      guard index + 4 <= bytes.count else { throw failure("four hex digits are due") }
      let digits = bytes[index ..< index + 4]
      guard digits.allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit }),
        let value = UInt16(String(decoding: digits, as: UTF8.self), radix: 16)
      else { throw failure("four hex digits are due") }
      index += 4
      return value
    }
  }
}
