import Foundation
import Matching
import Testing

@Suite struct LanguageDetectorTests {
  struct Line: Hashable, Sendable {
    var tag: String
    var text: String
  }

  /// Tests/Fixtures/language/lines.tsv: written by hand for this test.
  private static let lines: [Line] = {
    let file = URL(filePath: #filePath).deletingLastPathComponent()
      .appending(path: "../../Fixtures/language/lines.tsv")
    // An unreadable file leaves nothing, which the count below tells.
    let text = (try? String(contentsOf: file, encoding: .utf8)) ?? ""
    return text.split(separator: "\n").filter { !$0.hasPrefix("#") }.compactMap { line in
      let parts = line.split(separator: "\t")
      return parts.count == 2 ? Line(tag: String(parts[0]), text: String(parts[1])) : nil
    }
  }()

  /// How many lines of each tag were told to be what; "-": not told.
  private static func confusion(
    _ lines: [Line],
    among candidates: Set<String>? = nil
  ) -> (right: Int, text: String) {
    let detector = LanguageDetector(among: candidates)
    var counts: [String: [String: Int]] = [:]
    var right = 0
    for line in lines {
      let told = detector.detect(line.text)?.tag ?? "-"
      counts[line.tag, default: [:]][told, default: 0] += 1
      if told == line.tag { right += 1 }
    }
    let rows = counts.sorted { $0.key < $1.key }.map { tag, told in
      "\(tag): "
        + told.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", ")
    }
    return (right, rows.joined(separator: "\n"))
  }

  @Test func `the language and script of at least 95% of the lines is told, among all known`() {
    #expect(Self.lines.count >= 300)
    #expect(Set(Self.lines).count == Self.lines.count)
    let (right, text) = Self.confusion(Self.lines)
    print("\(right) of \(Self.lines.count) lines, told as:\n\(text)")
    #expect(right * 100 >= Self.lines.count * 95, "\(text)")
  }

  @Test(arguments: [["en", "hi"], ["kn", "en"], ["ta", "en", "hi"], ["te", "en", "hi", "kn"]])
  func `among a persona's languages too`(languages: [String]) {
    let lines = Self.lines.filter { languages.contains(String($0.tag.prefix(2))) }
    let (right, text) = Self.confusion(lines, among: Set(languages))
    print("\(languages): \(right) of \(lines.count) lines, told as:\n\(text)")
    #expect(lines.count >= 60)
    #expect(right * 100 >= lines.count * 95, "\(text)")
  }

  @Test(arguments: [
    "", "ok", "12345", "ORD-771234", "👍", "https://shop.example/the/order", "asha@mail.example",
    "hmm", "please", "hello sir", "的是在", "refund अभी please order", "a",
  ])
  func `what is short, mixed or no language is not told`(text: String) {
    #expect(LanguageDetector().detect(text) == nil)
  }

  @Test func `long drawn letters and signs change nothing`() {
    let detector = LanguageDetector()
    #expect(detector.detect("bahuuuuut der ho gayi!!! kab aayega???")?.tag == "hi-Latn")
    #expect(detector.detect("WHERE IS MY PARCEL")?.tag == "en")
    #expect(detector.detect("मेरा order #4521 कब आएगा?")?.tag == "hi")
  }

  @Test func `a text of a hundred thousand letters is read no further than needed`() {
    let text = String(repeating: "where is my order ", count: 6_000)
    #expect(LanguageDetector().detect(text)?.tag == "en")
  }

  @Test func `an allowed language may name its script`() {
    let allowed = AllowedLanguages(["en", "hi-Latn"])
    #expect(!allowed.isForeign("mera parcel kahan hai"))
    #expect(allowed.isForeign("मेरा पार्सल कहाँ है"))
    #expect(!allowed.isForeign("ok"))
  }
}
