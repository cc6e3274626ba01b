import Codecs
import Domain
import Foundation
import Testing

@Suite struct CanonicalJSONTests {
  /// RFC 8785, appendix B: IEEE 754 bits and their text.
  @Test(
    "The sample numbers of RFC 8785 have its texts",
    arguments: [
      (0x0000_0000_0000_0000, "0"), (0x8000_0000_0000_0000, "0"),
      (0x0000_0000_0000_0001, "5e-324"), (0x8000_0000_0000_0001, "-5e-324"),
      (0x7fef_ffff_ffff_ffff, "1.7976931348623157e+308"),
      (0xffef_ffff_ffff_ffff, "-1.7976931348623157e+308"),
      (0x4340_0000_0000_0000, "9007199254740992"),
      (0xc340_0000_0000_0000, "-9007199254740992"),
      (0x4430_0000_0000_0000, "295147905179352830000"),
      (0x44b5_2d02_c7e1_4af5, "9.999999999999997e+22"),
      (0x44b5_2d02_c7e1_4af6, "1e+23"), (0x44b5_2d02_c7e1_4af7, "1.0000000000000001e+23"),
      (0x444b_1ae4_d6e2_ef4e, "999999999999999700000"),
      (0x444b_1ae4_d6e2_ef4f, "999999999999999900000"),
      (0x444b_1ae4_d6e2_ef50, "1e+21"), (0x3eb0_c6f7_a0b5_ed8c, "9.999999999999997e-7"),
      (0x3eb0_c6f7_a0b5_ed8d, "0.000001"), (0x41b3_de43_5555_5553, "333333333.3333332"),
      (0x41b3_de43_5555_5554, "333333333.33333325"),
      (0x41b3_de43_5555_5555, "333333333.3333333"),
      (0x41b3_de43_5555_5556, "333333333.3333334"),
      (0x41b3_de43_5555_5557, "333333333.33333343"),
      (0xbecb_f647_612f_3696, "-0.0000033333333333333333"),
      (0x4314_3ff3_c1cb_0959, "1424953923781206.2"),
    ] as [(UInt64, String)]
  )
  func numbers(bits: UInt64, text: String) throws {
    #expect(try CanonicalJSON.encode(.double(Double(bitPattern: bits))) == text)
  }

  @Test("Numbers that JSON has not are refused", arguments: [Double.nan, .infinity, -.infinity])
  func notANumber(value: Double) {
    #expect(throws: CanonicalJSONError.self) { try CanonicalJSON.encode(.array([.double(value)])) }
  }

  @Test("Integers keep all their digits")
  func integers() throws {
    #expect(try CanonicalJSON.encode(.int(.max)) == "9223372036854775807")
    #expect(try CanonicalJSON.encode(.int(.min)) == "-9223372036854775808")
  }

  @Test("Keys are sorted by UTF-16 code units, as in the RFC's section 3.2.3")
  func keys() throws {
    let value = try JSONText.parse(
      #"""
      {"\u20ac":"Euro Sign","\r":"Carriage Return","\ufb33":"Hebrew Letter Dalet With Dagesh",
       "1":"One","\ud83d\ude00":"Emoji: Grinning Face","\u0080":"Control",
       "\u00f6":"Latin Small Letter O With Diaeresis"}
      """#
    )
    let expected =
      #"{"\r":"Carriage Return","1":"One","\#u{80}":"Control","#
      + #""ö":"Latin Small Letter O With Diaeresis","€":"Euro Sign","#
      + #""😀":"Emoji: Grinning Face","\#u{FB33}":"Hebrew Letter Dalet With Dagesh"}"#
    #expect(try CanonicalJSON.encode(value) == expected)
  }

  @Test("The RFC's example of section 3.2.2 has its text")
  func example() throws {
    let value = try JSONText.parse(
      #"""
      {"numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
       "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
       "literals": [null, true, false]}
      """#
    )
    let expected =
      #"{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"#
      + #""string":"€$\u000f\nA'B\"\\\\\"/"}"#
    #expect(try CanonicalJSON.encode(value) == expected)
  }

  @Test("A text's digest is the SHA-256 of its UTF-8")
  func digest() {
    // FIPS 180-4's example for "abc".
    #expect(
      CanonicalJSON.digest(of: "abc").hex
        == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )
  }

  @Test("A section reads back as it was written")
  func sections() throws {
    let section = HumanSection(
      slug: "asha",
      displayName: "आशा \"Asha\"\n",
      prompt: "You are Asha\u{0001}",
      languages: ["hi", "en"],
      greeting: ["hi": "नमस्ते", "": "/"],
      apology: [:],
      guardrails: []
    )
    let text = try CanonicalJSON.encode(section)
    #expect(try CanonicalJSON.decode(text, as: HumanSection.self) == section)
    #expect(try CanonicalJSON.encode(try JSONText.parse(text)) == text)
  }

  @Test(
    "Any value reads back as the same value, and has one text",
    arguments: 1 ... 40 as ClosedRange<UInt64>
  )
  func roundTrip(seed: UInt64) throws {
    var random = SeededValues(seed: seed)
    for _ in 0 ..< 25 {
      let value = random.value(depth: 4)
      let text = try CanonicalJSON.encode(value)
      let read = try JSONText.parse(text)
      #expect(read == value)
      #expect(try CanonicalJSON.encode(read) == text)
      // Foundation agrees that it is JSON, and what it says.
      #expect(try JSONDecoder().decode(JSONValue.self, from: Data(text.utf8)) == value)
    }
  }
}

@Suite struct EncodableTests {
  struct Everything: Codable, Equatable {
    var text = "é\u{0}\"😀"
    var flag = true
    var int = Int.min
    var small: Int8 = -8
    var byte: UInt8 = 200
    var double = 1e21
    var whole = 3.0
    var float: Float = 0.1
    var none: Int?
    var data = Data([0, 1, 255])
    var date = Date(timeIntervalSinceReferenceDate: 12.5)
    var id = UUID(uuid: (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16))
    var list: [Int?] = [1, nil, 3]
    var nested = [["a": [1.5]], [:]]
    var choice = GuardrailRule.Kind.maxLength
    var value: JSONValue = ["a": [nil, 1, 2.5, ["b": "c"]]]
    var empty = Empty()

    struct Empty: Codable, Equatable {}
  }

  @Test("Any Encodable has the text that JSONEncoder's form of it has")
  func sameAsFoundation() throws {
    let foundation = try JSONDecoder().decode(
      JSONValue.self,
      from: try JSONEncoder().encode(Everything())
    )
    #expect(try CanonicalJSON.encode(Everything()) == CanonicalJSON.encode(foundation))
    let read = try CanonicalJSON.decode(
      try CanonicalJSON.encode(Everything()),
      as: Everything.self
    )
    #expect(read == Everything())
  }

  @Test("Integers beyond Int64 are refused, as JSON readers would change them")
  func tooLarge() {
    #expect(throws: EncodingError.self) { try CanonicalJSON.encode([UInt64.max]) }
  }

  @Test("Keys with characters beyond U+FFFF stand before U+E000 through U+FFFF")
  func supplementary() throws {
    let value: JSONValue = ["\u{FFFD}": 1, "😀": 2, "\u{E000}": 3, "퟿": 4, "a😀": 5, "a": 6]
    #expect(
      try CanonicalJSON.encode(value)
        == "{\"a\":6,\"a😀\":5,\"퟿\":4,\"😀\":2,\"\u{E000}\":3,\"\u{FFFD}\":1}"
    )
  }
}
