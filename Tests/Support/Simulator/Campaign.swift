import Dispatch
import Foundation
import Synchronization

/// Many runs, one seed after the other, on all cores.
package enum Campaign {
  package struct Report: Sendable, CustomStringConvertible {
    package fileprivate(set) var seeds: UInt64 = 0
    package fileprivate(set) var steps = 0
    package fileprivate(set) var faults: [String: Int] = [:]
    package fileprivate(set) var failures: [(seed: UInt64, violation: Violation)] = []

    package var description: String {
      var lines = failures.prefix(20).map { "seed \($0.seed): \($0.violation)" }
      let told = faults.sorted { $0.key < $1.key }.map { "\($0.value) x \($0.key)" }
      lines.append(
        "\(seeds) seeds, \(steps) steps; \(told.joined(separator: ", ")); "
          + "\(failures.count) violations"
      )
      return lines.joined(separator: "\n")
    }

    fileprivate mutating func add(_ outcome: Simulation.Outcome) {
      seeds += 1
      steps += outcome.steps
      faults.merge(outcome.faults) { $0 + $1 }
      if let violation = outcome.violation { failures.append((outcome.seed, violation)) }
    }
  }

  /// - Parameters:
  ///   - failures: Ends after so many.
  ///   - progress: Told now and then how many seeds are done.
  package static func run(
    from: UInt64,
    count: UInt64,
    failures limit: Int = .max,
    progress: @escaping @Sendable (UInt64) -> Void = { _ in }
  ) -> Report {
    let report = Mutex(Report())
    let next = Mutex(from)
    let workers = max(1, ProcessInfo.processInfo.activeProcessorCount)
    DispatchQueue.concurrentPerform(iterations: workers) { _ in
      while true {
        let seed: UInt64? = next.withLock { next in
          guard next < from + count else { return nil }
          defer { next += 1 }
          return next
        }
        guard let seed else { return }
        let outcome = Simulation(seed: seed).run()
        let done: UInt64? = report.withLock { report in
          report.add(outcome)
          return report.failures.count >= limit ? nil : report.seeds
        }
        guard let done else { return }
        if done % 10_000 == 0 { progress(done) }
      }
    }
    return report.withLock { report in
      report.failures.sort { $0.seed < $1.seed }
      return report
    }
  }
}
