import Codecs
import Domain
import Testing

@Suite struct JSONTextTests {
  @Test(
    "What is no JSON is refused at its line and column",
    arguments: [
      ("", 1, 1), ("{", 1, 2), ("[1,]", 1, 4), ("{\"a\":1,}", 1, 8), ("[1 2]", 1, 4),
      ("{\"a\" 1}", 1, 6), ("nul", 1, 1), ("01", 1, 3), ("-", 1, 2), ("1.", 1, 3), ("1e", 1, 3),
      ("+1", 1, 1), (".5", 1, 1), ("NaN", 1, 1), ("'a'", 1, 1), ("\"\n\"", 1, 2),
      ("\"\\x\"", 1, 4), ("\"\\u12\"", 1, 4), ("\"\\ud800\"", 1, 8), ("\"\\ud800\\u0041\"", 1, 14),
      ("\"abc", 1, 5), ("true false", 1, 6), ("{\n  \"a\": 1,\n  \"a\": 2\n}", 3, 3),
      ("[\n1,\n  ²]", 3, 3), ("1e400", 1, 6), ("{1:2}", 1, 2), ("\u{FEFF}1", 1, 1),
    ]
  )
  func refused(text: String, line: Int, column: Int) throws {
    let error = try #require(throws: JSONTextError.self) { try JSONText.parse(text) }
    #expect(error.line == line)
    #expect(error.column == column, "\(error)")
  }

  @Test(
    "Values are read exactly",
    arguments: [
      ("9223372036854775807", .int(.max)), ("-9223372036854775808", .int(.min)), ("-0", .int(0)),
      ("9223372036854775808", .double(9_223_372_036_854_775_808)), ("1.0", .double(1)),
      ("1e2", .double(100)), ("1E-2", .double(0.01)), (" [ ] ", []), ("{ }", .object([:])),
      (#""\u0041\ud83d\ude00\/\b""#, .string("A😀/\u{08}")), ("\"\u{7F}\"", .string("\u{7F}")),
      ("\t\r\n null", .null),
    ] as [(String, JSONValue)]
  )
  func read(text: String, value: JSONValue) throws {
    #expect(try JSONText.parse(text) == value)
  }

  @Test("64 levels are read, one more is refused")
  func depth() throws {
    func nested(_ levels: Int) -> String {
      String(repeating: "[", count: levels) + String(repeating: "]", count: levels)
    }
    _ = try JSONText.parse(nested(JSONText.maxDepth))
    #expect(throws: JSONTextError.self) { try JSONText.parse(nested(JSONText.maxDepth + 1)) }
    #expect(throws: JSONTextError.self) { try JSONText.parse(nested(1_000_000)) }
  }

  @Test(
    "A cut or changed text never crashes the reader",
    arguments: 1 ... 20 as ClosedRange<UInt64>
  )
  func garbled(seed: UInt64) throws {
    var random = SeededValues(seed: seed)
    for _ in 0 ..< 50 {
      var bytes = Array(try CanonicalJSON.encode(random.value(depth: 4)).utf8)
      bytes[Int.random(in: 0 ..< bytes.count, using: &random)] = UInt8.random(
        in: 0 ... 255,
        using: &random
      )
      let text = String(
        decoding: bytes.prefix(Int.random(in: 0 ... bytes.count, using: &random)),
        as: UTF8.self
      )
      do {
        let value = try JSONText.parse(text)
        // What it accepts has a canonical text that says the same.
        #expect(
          try JSONText.parse(try CanonicalJSON.encode(value)).canonicalText == value.canonicalText
        )
      } catch let error as JSONTextError {
        #expect(error.line >= 1 && error.column >= 1)
      }
    }
  }
}
