import Foundation
import Simulator
import Synchronization

/// `bindery-simulate --seeds N --from S`: many runs, on all cores, until F have failed. `--seed K`: one, told line by line.
@main
struct Simulate {
  static func main() {
    // Sets and dictionaries have their order from a seed of the process: a run is only the same again
    // when that is fixed.
    guard ProcessInfo.processInfo.environment["SWIFT_DETERMINISTIC_HASHING"] != nil else {
      return again()
    }
    var seeds: UInt64 = 1000
    var from: UInt64 = 0
    var one: UInt64?
    var failures: UInt64 = .max
    var arguments = Array(CommandLine.arguments.dropFirst())
    while let name = arguments.first {
      guard arguments.count >= 2, let value = UInt64(arguments[1]) else { return usage() }
      switch name {
      case "--seeds": seeds = value
      case "--from": from = value
      case "--seed": one = value
      case "--failures": failures = value
      default: return usage()
      }
      arguments.removeFirst(2)
    }
    if let one {
      let outcome = Simulation(seed: one, isTraced: true).run()
      for line in outcome.trace { print(line) }
      print(outcome.violation.map { "seed \(one): \($0)" } ?? "seed \(one): all rules hold")
      exit(outcome.violation == nil ? 0 : 1)
    }
    let report = Campaign.run(from: from, count: seeds, failures: Int(clamping: failures)) {
      [seeds] done in
      FileHandle.standardError.write(Data("\(done) of \(seeds) seeds\n".utf8))
    }
    print(report)
    exit(report.failures.isEmpty ? 0 : 1)
  }

  private static func usage() {
    FileHandle.standardError.write(
      Data("usage: bindery-simulate [--seeds N] [--from S] [--failures F] | --seed K\n".utf8)
    )
    exit(64)
  }

  /// Starts over with the order of sets fixed.
  private static func again() {
    let process = Process()
    process.executableURL = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath()
    process.arguments = Array(CommandLine.arguments.dropFirst())
    process.environment = ProcessInfo.processInfo.environment
      .merging(["SWIFT_DETERMINISTIC_HASHING": "1"]) { $1 }
    do {
      try process.run()
    } catch {
      FileHandle.standardError.write(Data("can't start over: \(error)\n".utf8))
      exit(70)
    }
    process.waitUntilExit()
    exit(process.terminationStatus)
  }
}
