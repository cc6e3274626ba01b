import Codecs
import Domain
import JSONSchema
import Testing

@Suite struct JSONSchemaTests {
  private func violations(_ schema: String, _ value: String) throws -> [String] {
    try JSONSchema(JSONText.parse(schema)).violations(in: JSONText.parse(value)).map(\.path)
  }

  @Test(
    "A value that fits has no violations",
    arguments: [
      ("true", "1"), ("{}", "null"), (#"{"type":"integer"}"#, "1.0"),
      (#"{"type":["string","null"]}"#, "null"), (#"{"enum":[1,"a"]}"#, "1.0"),
      (#"{"const":{"a":1}}"#, #"{"a":1.0}"#), (#"{"minimum":0,"maximum":5}"#, "5"),
      (#"{"minimum":0}"#, "\"text\""), (#"{"exclusiveMaximum":5}"#, "4.99"),
      (#"{"minLength":2,"maxLength":2}"#, "\"नि\""),
      (#"{"pattern":"^ORD-\\d{6}$"}"#, "\"ORD-123456\""),
      (#"{"items":{"type":"string"},"uniqueItems":true}"#, #"["a","b"]"#),
      (#"{"properties":{"a":{"type":"string"}},"additionalProperties":false}"#, #"{"a":"x"}"#),
      (#"{"additionalProperties":{"type":"integer"}}"#, #"{"b":1}"#),
      (#"{"anyOf":[{"type":"string"},{"minimum":3}]}"#, "3"),
      (#"{"oneOf":[{"minimum":3},{"maximum":1}]}"#, "3"),
      (#"{"title":"t","format":"date","x-order":1}"#, "\"no date\""),
      (#"{"maximum":9007199254740993}"#, "9007199254740993"),
    ]
  )
  func fits(schema: String, value: String) throws {
    #expect(try violations(schema, value) == [])
  }

  @Test(
    "A value that doesn't fit is told where",
    arguments: [
      ("false", "1", [""]), (#"{"type":"integer"}"#, "1.5", [""]),
      (#"{"type":"integer"}"#, "true", [""]), (#"{"enum":[1,"a"]}"#, "\"1\"", [""]),
      (#"{"const":1}"#, "2", [""]), (#"{"const":1,"enum":[1,2]}"#, "2", [""]),
      (#"{"minimum":0}"#, "-1", [""]), (#"{"exclusiveMinimum":0}"#, "0", [""]),
      (#"{"maximum":9007199254740993}"#, "9007199254740994", [""]),
      (#"{"maxLength":1}"#, "\"नि\"", [""]), (#"{"pattern":"^a$"}"#, "\"ba\"", [""]),
      (#"{"uniqueItems":true}"#, "[1,1.0]", [""]), (#"{"minItems":1}"#, "[]", [""]),
      (#"{"items":{"type":"string"}}"#, #"["a",1,null]"#, ["/1", "/2"]),
      (#"{"required":["a","b"]}"#, #"{"a":1}"#, [""]),
      (#"{"properties":{"a":{"properties":{"b":{"type":"null"}}}}}"#, #"{"a":{"b":1}}"#, ["/a/b"]),
      (#"{"additionalProperties":false}"#, #"{"a/b":1,"c~d":2}"#, ["/a~1b", "/c~0d"]),
      (#"{"anyOf":[{"type":"string"},{"minimum":3}]}"#, "2", [""]),
      (#"{"oneOf":[{"minimum":1},{"maximum":3}]}"#, "2", [""]),
      (#"{"oneOf":[{"minimum":4},{"maximum":1}]}"#, "2", [""]),
    ]
  )
  func doesNotFit(schema: String, value: String, paths: [String]) throws {
    #expect(try violations(schema, value) == paths)
  }

  @Test("At most 20 violations are told, and none tells the value")
  func bounded() throws {
    let schema = try JSONSchema(["items": ["type": "integer"]])
    let found = schema.violations(in: .array(Array(repeating: "secret", count: 100)))
    #expect(found.count == 20)
    #expect(found.allSatisfy { !$0.description.contains("secret") })
  }

  @Test(
    "A schema that can't be used is refused, and where",
    arguments: [
      ("1", ""), (#"{"type":"text"}"#, "/type"), (#"{"type":["string",1]}"#, "/type"),
      (#"{"type":[]}"#, "/type"), (#"{"enum":[]}"#, "/enum"), (#"{"required":"a"}"#, "/required"),
      (#"{"properties":[]}"#, "/properties"), (#"{"properties":{"a/b":3}}"#, "/properties/a~1b"),
      (#"{"minimum":"1"}"#, "/minimum"), (#"{"maxLength":-1}"#, "/maxLength"),
      (#"{"minItems":1.5}"#, "/minItems"), (#"{"pattern":"("}"#, "/pattern"),
      (#"{"pattern":"(?=a)"}"#, "/pattern"), (#"{"pattern":"(a)\\1"}"#, "/pattern"),
      (#"{"anyOf":[]}"#, "/anyOf"), (#"{"anyOf":[true,2]}"#, "/anyOf/1"),
      (##"{"$ref":"#/a"}"##, "/$ref"), (#"{"not":{}}"#, "/not"),
      (#"{"uniqueItems":1}"#, "/uniqueItems"),
      (#"{"items":{"typ":"string"}}"#, "/items/typ"),
    ]
  )
  func refused(schema: String, path: String) throws {
    let value = try JSONText.parse(schema)
    let error = try #require(throws: JSONSchemaError.self) { try JSONSchema(value) }
    #expect(error.path == path)
  }

  @Test("16 levels and 1,000 schemas are read, more is refused")
  func limits() throws {
    func nested(_ levels: Int) -> JSONValue {
      (0 ..< levels).reduce(true) { inner, _ in ["items": inner] }
    }
    _ = try JSONSchema(nested(16))
    #expect(throws: JSONSchemaError.self) { try JSONSchema(nested(17)) }
    let wide = (0 ..< 1_001).map { ("p\($0)", JSONValue.bool(true)) }
    #expect(throws: JSONSchemaError.self) {
      try JSONSchema(["properties": .object(Dictionary(uniqueKeysWithValues: wide))])
    }
  }
}
