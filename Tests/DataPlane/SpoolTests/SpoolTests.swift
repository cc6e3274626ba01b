import Foundation
import Logging
import Spool
import Testing
import Wire

@Suite struct SpoolTests {
  private let logger = Logger(label: "spool-tests")

  private func record(_ number: UInt64, padding: Int = 0) -> Bindery_V1_TurnRecord {
    var record = Bindery_V1_TurnRecord()
    record.revision = Int64(number)
    record.turnID = Data(repeating: UInt8(number % 251), count: 16 + padding)
    return record
  }

  private func options(_ directory: ScratchDirectory, segment: Int = 8 << 20) -> Spool.Options {
    var options = Spool.Options(directory: directory.path)
    options.segmentBytes = segment
    return options
  }

  private func waiting(_ spool: Spool) async throws -> [UInt64: Int64] {
    let pending = try await spool.pending(after: 0, limit: 100_000, grace: .zero)
    return Dictionary(uniqueKeysWithValues: pending.map { ($0.sequence, $0.record.revision) })
  }

  @Test func `gives sequences from one, in order, and keeps records over a restart`() async throws {
    let directory = try ScratchDirectory()
    let first = try await Spool(options(directory), logger: logger)
    for number in 1 ... 3 { #expect(try await first.append(record(UInt64(number))) == number) }
    let incarnation = first.incarnation
    try await first.close()
    let second = try await Spool(options(directory), logger: logger)
    #expect(second.incarnation == incarnation)
    #expect(try await waiting(second) == [1: 1, 2: 2, 3: 3])
    #expect(try await second.append(record(4)) == 4)
    try await second.close()
  }

  @Test func `two spools can't share a directory`() async throws {
    let directory = try ScratchDirectory()
    let first = try await Spool(options(directory), logger: logger)
    await #expect(throws: SpoolError(.unusable, "")) {
      try await Spool(options(directory), logger: logger)
    }
    try await first.close()
  }

  @Test func `appends from many tasks each get their own place`() async throws {
    let directory = try ScratchDirectory()
    let spool = try await Spool(options(directory, segment: 4096), logger: logger)
    let sequences = try await withThrowingTaskGroup(of: (UInt64, UInt64).self) { group in
      for number in 1 ... 200 as ClosedRange<UInt64> {
        group.addTask { (number, try await spool.append(record(number))) }
      }
      return try await group.reduce(into: [:]) { $0[$1.1] = Int64($1.0) }
    }
    #expect(Set(sequences.keys) == Set(1 ... 200))
    #expect(try await waiting(spool) == sequences)
    try await spool.close()
  }

  @Test(arguments: 1 ... 40 as ClosedRange<Int>)
  func `a record cut anywhere by a crash loses itself and no other`(_ cut: Int) async throws {
    let directory = try ScratchDirectory()
    let first = try await Spool(options(directory), logger: logger)
    for number in 1 ... 3 as ClosedRange<UInt64> { _ = try await first.append(record(number)) }
    try await first.close()
    let file = try #require(try directory.logs().last)
    let whole = try Data(contentsOf: file)
    // All three frames have the same length.
    let frame = whole.count / 3
    try whole.prefix(whole.count - min(cut, frame)).write(to: file)
    let second = try await Spool(options(directory), logger: logger)
    #expect(try await waiting(second) == [1: 1, 2: 2])
    #expect(try await second.append(record(9)) == 3)
    try await second.close()
    let third = try await Spool(options(directory), logger: logger)
    #expect(try await waiting(third) == [1: 1, 2: 2, 3: 9])
    try await third.close()
  }

  @Test func `a flipped bit is noticed`() async throws {
    let directory = try ScratchDirectory()
    let first = try await Spool(options(directory), logger: logger)
    for number in 1 ... 2 as ClosedRange<UInt64> { _ = try await first.append(record(number)) }
    try await first.close()
    let file = try #require(try directory.logs().last)
    var content = try Data(contentsOf: file)
    content[content.count - 3] ^= 0x10
    try content.write(to: file)
    let second = try await Spool(options(directory), logger: logger)
    #expect(try await waiting(second) == [1: 1])
    try await second.close()
  }

  @Test func `nothing more is taken beyond the limit, and again once it is committed`() async throws
  {
    let directory = try ScratchDirectory()
    var options = options(directory, segment: 500)
    options.byteLimit = 2000
    let spool = try await Spool(options, logger: logger)
    var last: UInt64 = 0
    await #expect(throws: SpoolError(.full, "")) {
      while true { last = try await spool.append(record(1, padding: 200)) }
    }
    #expect(last >= 5)
    await spool.commit(through: last)
    #expect(spool.depth == 0)
    #expect(spool.isAccepting)
    #expect(try await spool.append(record(1, padding: 200)) == last + 1)
    try await spool.close()
  }

  @Test(arguments: 0 ..< 20 as Range<UInt64>)
  func `commits in any order and restarts at any time lose no record and keep none twice`(
    _ seed: UInt64
  ) async throws {
    var random = SeededGenerator(seed: seed)
    let directory = try ScratchDirectory()
    let options = options(directory, segment: 300)
    var spool = try await Spool(options, logger: logger)
    var expected: [UInt64: Int64] = [:]
    var number: UInt64 = 0
    for _ in 0 ..< 120 {
      switch Int.random(in: 0 ..< 10, using: &random) {
      case 0 ... 4:
        number += 1
        let sequence = try await spool.append(record(number))
        #expect(expected[sequence] == nil)
        expected[sequence] = Int64(number)
      case 5 ... 7:
        if let sequence = expected.keys.sorted().randomElement(using: &random) {
          await spool.markCommitted(sequence)
          expected[sequence] = nil
        }
      case 8:
        if let sequence = expected.keys.sorted().randomElement(using: &random) {
          await spool.commit(through: sequence)
          expected = expected.filter { $0.key > sequence }
        }
      default:
        try await spool.close()
        spool = try await Spool(options, logger: logger)
        // A mark may be lost with its segment, or in a crash: then the record is sent again.
        let found = try await waiting(spool)
        #expect(expected.allSatisfy { found[$0.key] == $0.value })
        expected = found
      }
      #expect(try await waiting(spool) == expected)
      #expect(spool.depth == expected.count)
    }
    try await spool.close()
  }
}
