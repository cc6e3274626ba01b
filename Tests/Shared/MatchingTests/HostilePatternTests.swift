import Foundation
import Matching
import Testing

/// Patterns that bring engines that backtrack to a stand.
@Suite struct HostilePatternTests {
  struct Hostile: Sendable, CustomTestStringConvertible {
    var source: String
    var pattern: String
    var prefix: String
    var pump: String
    var suffix: String

    var testDescription: String { "\(source): \(pattern)" }

    func text(bytes: Int) -> String {
      prefix + String(repeating: pump, count: bytes / pump.utf8.count) + suffix
    }
  }

  /// Tests/Fixtures/redos/patterns.tsv.
  private static let patterns: [Hostile] = {
    let file = URL(filePath: #filePath).deletingLastPathComponent()
      .appending(path: "../../Fixtures/redos/patterns.tsv")
    // An unreadable file leaves nothing, which the count below tells.
    let text = (try? String(contentsOf: file, encoding: .utf8)) ?? ""
    return text.split(separator: "\n").filter { !$0.hasPrefix("#") }.compactMap { line in
      let parts = line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
      guard parts.count == 5, !parts[3].isEmpty else { return nil }
      return Hostile(
        source: parts[0],
        pattern: parts[1],
        prefix: parts[2],
        pump: parts[3],
        suffix: parts[4]
      )
    }
  }()

  @Test func `there are at least fifty, and most can be used`() {
    #expect(Self.patterns.count >= 50)
    let usable = Self.patterns.filter { hostile in
      do {
        _ = try Pattern(hostile.pattern)
        return true
      } catch {
        return false
      }
    }
    print("\(usable.count) of \(Self.patterns.count) patterns run, the others are refused")
    #expect(usable.count >= 45)
  }

  /// A test that takes hours here is a pattern that doesn't run in linear time: with backtracking,
  /// 64 KiB would outlast the universe in most of these.
  @Test(.timeLimit(.minutes(5)), arguments: patterns.indices)
  func `a pattern is refused, or comes to an end on a text made to stop it`(index: Int) {
    let hostile = Self.patterns[index]
    let pattern: Pattern
    do {
      pattern = try Pattern(hostile.pattern)
    } catch {
      #expect(error.isUnsafe, "\(hostile.testDescription): \(error.message)")
      return
    }
    // The whole search ends; that it ends with the same verdict for a longer text shows it looked.
    let short = pattern.isFound(in: hostile.text(bytes: 1_024))
    let long = pattern.isFound(in: hostile.text(bytes: 65_536))
    #expect(short == long)
  }

  /// A figure for the reader of the log; what is asserted is only that there is one for each.
  @Test func `the time of the slowest patterns is told`() {
    var figures: [(perKiB: Duration, name: String)] = []
    for hostile in Self.patterns {
      guard let pattern = try? Pattern(hostile.pattern) else { continue }
      let text = hostile.text(bytes: 65_536)
      let time = ContinuousClock().measure { _ = pattern.isFound(in: text) }
      figures.append((time / 64, hostile.testDescription))
    }
    figures.sort { $0.perKiB > $1.perKiB }
    for figure in figures.prefix(5) { print("\(figure.perKiB) per KiB: \(figure.name)") }
    #expect(figures.count >= 45)
  }
}
