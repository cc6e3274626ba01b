import Codecs
import Compiler
import Domain
import Testing

@Suite struct DifferenceTests {
  private func lines(_ before: JSONValue, _ after: JSONValue) -> [String] {
    difference(from: before, to: after).map { field in
      let old = field.before.map { "\($0.canonicalText)" } ?? ""
      let new = field.after.map { "\($0.canonicalText)" } ?? ""
      return "\(field.path): \(old) > \(new)"
    }
  }

  @Test("Values of objects are told one by one, absent ones as absent")
  func objects() {
    #expect(
      lines(["a": 1, "b": ["c": true]], ["a": 1, "b": ["c": false], "d": nil]) == [
        "/b/c: true > false", "/d:  > null",
      ]
    )
    #expect(lines(["a/b~c": 1], ["a/b~c": 2]) == ["/a~1b~0c: 1 > 2"])
    #expect(lines(["a": 1], ["a": 1]) == [])
  }

  @Test("Elements with names are told by name: what is new, gone and changed, each at its place")
  func named() {
    let old: JSONValue = [
      ["id": "greet", "text": "hello"], ["id": "ask", "text": "what?"], ["id": "end"],
    ]
    let new: JSONValue = [
      ["id": "greet", "text": "hello"], ["id": "verify"], ["id": "ask", "text": "which?"],
      ["id": "end"],
    ]
    #expect(
      lines(old, new) == [
        "/2/text: \"what?\" > \"which?\"", "/1:  > {\"id\":\"verify\"}",
      ]
    )
    #expect(
      lines(new, old) == [
        "/1: {\"id\":\"verify\"} > ", "/1/text: \"which?\" > \"what?\"",
      ]
    )
  }

  @Test("Named elements that change places are told as the whole list")
  func moved() {
    let old: JSONValue = [["id": "a"], ["id": "b"]]
    let new: JSONValue = [["id": "b"], ["id": "a"]]
    #expect(
      lines(old, new) == [": [{\"id\":\"a\"},{\"id\":\"b\"}] > [{\"id\":\"b\"},{\"id\":\"a\"}]"]
    )
  }

  @Test("A long list of texts is told by place, a short list of words whole")
  func plain() {
    let long = String(repeating: "word ", count: 10)
    let old: JSONValue = [.string(long), "b", "c"]
    #expect(lines(old, [.string(long), "b", "x", "c"]) == ["/2:  > \"x\""])
    #expect(lines(["hi", "en"], ["hi"]) == [": [\"hi\",\"en\"] > [\"hi\"]"])
    #expect(lines(["hi", "en"], ["hi", "kn"]) == ["/1: \"en\" > \"kn\""])
  }

  @Test("There is a difference exactly when the values differ", arguments: [1, 2, 3] as [UInt64])
  func complete(seed: UInt64) {
    var random = SeededSpecs(seed: seed)
    for _ in 0 ..< 300 {
      let (a, b) = (random.value(depth: 3), random.value(depth: 3))
      #expect(difference(from: a, to: b).isEmpty == (a == b))
      #expect(difference(from: a, to: a).isEmpty)
    }
  }
}
