internal import Foundation

/// One line a step, then `N passed, M failed`.
package struct Report: Sendable {
  package private(set) var passed = 0
  package private(set) var failed = 0
  private let write: @Sendable (String) -> Void

  /// - Parameter write: Takes a line at a time.
  package init(write: @escaping @Sendable (String) -> Void) {
    self.write = write
  }

  /// A report on standard output.
  package static func toStandardOutput() -> Report {
    Report { FileHandle.standardOutput.write(Data(($0 + "\n").utf8)) }
  }

  package mutating func pass(_ name: String, _ detail: String, took: Duration) {
    passed += 1
    line("ok  ", name, detail, took)
  }

  package mutating func fail(_ name: String, _ detail: String, took: Duration) {
    failed += 1
    line("FAIL", name, detail, took)
  }

  package func note(_ text: String) {
    write(text)
  }

  package func end() {
    write("\(passed) passed, \(failed) failed")
  }

  private func line(_ mark: String, _ name: String, _ detail: String, _ took: Duration) {
    let shown = detail.isEmpty ? "" : ": \(detail)"
    write(
      "\(mark)  \(name)\(shown)  [\(took.formatted(.units(allowed: [.seconds, .milliseconds], width: .narrow, maximumUnitCount: 1)))]"
    )
  }
}
