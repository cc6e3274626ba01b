import ArgumentParser
import Glibc
import Synchronization
import TransportFuzz

/// Feeds many broken sessions to the transport.
@main struct FuzzCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "transport-fuzz",
    abstract: "Feed mutated HTTP/2 sessions to both ends of the transport.",
    discussion: """
      An input's number is its seed. A crash tells the numbers of the inputs that were being run; run \
      one again with --first NUMBER --inputs 1.
      """
  )

  @Option(help: "How many inputs.") var inputs = 1_000_000
  @Option(help: "The first input's number.") var first: UInt64 = 0
  @Option(help: "Threads.") var threads = 2

  func validate() throws {
    guard inputs > 0, threads > 0, threads <= 64 else {
      throw ValidationError("--inputs and --threads must be above 0, --threads at most 64")
    }
  }

  func run() async throws {
    let progress = Progress()
    let start = ContinuousClock.now
    CrashReport.install()
    let (first, inputs, threads) = (first, inputs, threads)
    try await withThrowingTaskGroup(of: Void.self) { group in
      for thread in 0 ..< threads {
        group.addTask {
          var fuzzer = try Fuzzer()
          for index in stride(from: thread, to: inputs, by: threads) {
            let input = first + UInt64(index)
            CrashReport.current[thread] = input
            do {
              try fuzzer.run(input)
            } catch {
              progress.faults.add(1, ordering: .relaxed)
              print("FAULT \(error)")
            }
            let count = progress.done.add(1, ordering: .relaxed).newValue
            if count.isMultiple(of: 50_000) {
              print("\(count) of \(inputs) inputs, \(start.duration(to: .now))")
            }
          }
          progress.bytes.add(fuzzer.bytesFed, ordering: .relaxed)
          progress.calls.add(fuzzer.callsServed, ordering: .relaxed)
        }
      }
      try await group.waitForAll()
    }
    let count = progress.faults.load(ordering: .relaxed)
    let bytes = progress.bytes.load(ordering: .relaxed)
    let calls = progress.calls.load(ordering: .relaxed)
    print(
      """
      \(inputs) inputs from \(first), \(bytes) bytes, \(calls) calls served, \(count) faults, \
      \(start.duration(to: .now))
      """
    )
    if count > 0 { throw ExitCode(1) }
  }
}

private final class Progress: Sendable {
  let done = Atomic(0)
  let faults = Atomic(0)
  let bytes = Atomic(0)
  let calls = Atomic(0)
}

/// Says at a crash what was being run.
private enum CrashReport {
  /// An input's number for each thread; each thread writes its own place, a crash reads all.
  nonisolated(unsafe) static let current = {
    let numbers = UnsafeMutablePointer<UInt64>.allocate(capacity: 64)
    numbers.initialize(repeating: .max, count: 64)
    return numbers
  }()

  static func install() {
    _ = current
    for number in [SIGILL, SIGTRAP, SIGSEGV, SIGBUS, SIGABRT] {
      signal(number) { number in
        for thread in 0 ..< 64 where CrashReport.current[thread] != .max {
          CrashReport.write("CRASH; being run: ")
          CrashReport.write(CrashReport.current[thread])
          CrashReport.write("\n")
        }
        signal(number, SIG_DFL)
        raise(number)
      }
    }
  }

  /// Without allocation: this runs in a signal handler.
  private static func write(_ text: StaticString) {
    _ = Glibc.write(2, text.utf8Start, text.utf8CodeUnitCount)
  }

  private static func write(_ number: UInt64) {
    var power: UInt64 = 1
    while number / power >= 10 { power *= 10 }
    while power > 0 {
      var digit = UInt8(ascii: "0") + UInt8(number / power % 10)
      _ = Glibc.write(2, &digit, 1)
      power /= 10
    }
  }
}
