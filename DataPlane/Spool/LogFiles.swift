internal import Foundation
internal import Glibc

/// The segment files of a log. Each is named by the lowest sequence that it may hold; the last one
/// is written to. All calls block, and come from one thread at a time.
struct LogFiles: ~Copyable {
  struct Location: Hashable, Sendable {
    var segment: UInt64
    var offset: Int
    var length: Int
  }

  /// What a log held when it was opened.
  struct Recovered: Sendable {
    var frames: [(frame: LogFrame, location: Location)] = []
    /// Where the sequence goes on.
    var nextSequence: UInt64 = 1
    /// Bytes at the end of segments that hold no whole frame.
    var tornBytes = 0
  }

  private let directory: String
  private let segmentBytes: Int
  private var lock: Int32
  /// First sequences, rising; the last one is open.
  private var segments: [(first: UInt64, bytes: Int)] = []
  private var descriptor: Int32 = -1
  /// One more than the highest sequence written.
  private var nextSequence: UInt64 = 1

  var totalBytes: Int { segments.reduce(0) { $0 + $1.bytes } }

  /// Opens a log, cuts off what a crash left half-written, and tells what is there.
  ///
  /// - Throws: `SpoolError.Code.unusable`, also when another process holds the directory.
  static func open(
    directory: String,
    segmentBytes: Int,
    _ recovered: inout Recovered
  ) throws -> LogFiles {
    do {
      try FileManager.default.createDirectory(
        atPath: directory,
        withIntermediateDirectories: true
      )
    } catch {
      throw SpoolError(.unusable, "make directory \(directory)")
    }
    let lock = try PosixFile.open("\(directory)/lock", O_RDWR | O_CREAT)
    guard flock(lock, LOCK_EX | LOCK_NB) == 0 else {
      let reason = errno
      Glibc.close(lock)
      throw SpoolError(.unusable, "\(directory) is in use by another process", errno: reason)
    }
    var files = LogFiles(directory: directory, segmentBytes: segmentBytes, lock: lock)
    let names = try FileManager.default.contentsOfDirectory(atPath: directory)
    let firsts = names.filter { $0.hasSuffix(".log") }.compactMap { UInt64($0.dropLast(4)) }
      .sorted()
    for (place, first) in firsts.enumerated() {
      let isLast = place == firsts.count - 1
      try files.recover(first, isLast: isLast, &recovered)
    }
    files.nextSequence = recovered.nextSequence
    if firsts.isEmpty { try files.start() }
    return files
  }

  private init(directory: String, segmentBytes: Int, lock: Int32) {
    self.directory = directory
    self.segmentBytes = segmentBytes
    self.lock = lock
  }

  deinit {
    if descriptor >= 0 { Glibc.close(descriptor) }
    if lock >= 0 { Glibc.close(lock) }
  }

  /// Lets go of the files and of the directory; later calls fail.
  mutating func close() {
    if descriptor >= 0 { Glibc.close(descriptor) }
    if lock >= 0 { Glibc.close(lock) }
    descriptor = -1
    lock = -1
  }

  private mutating func recover(
    _ first: UInt64,
    isLast: Bool,
    _ recovered: inout Recovered
  ) throws {
    let file = try PosixFile.read(path(first))
    recovered.nextSequence = max(recovered.nextSequence, first)
    var offset = 0
    while let frame = LogFrame(file, at: offset) {
      let length = LogFrame.headerBytes + frame.payload.count
      let location = Location(segment: first, offset: offset, length: length)
      recovered.frames.append((frame, location))
      recovered.nextSequence = max(recovered.nextSequence, frame.sequence + 1)
      offset += length
    }
    recovered.tornBytes += file.count - offset
    segments.append((first, isLast ? offset : file.count))
    guard isLast else { return }
    descriptor = try PosixFile.open(path(first), O_RDWR | O_APPEND)
    if offset < file.count {
      guard ftruncate(descriptor, offset) == 0 else {
        throw SpoolError(.unusable, "truncate \(path(first))", errno: errno)
      }
      try PosixFile.sync(descriptor)
    }
  }

  /// Writes frames; they last once `sync` has returned.
  mutating func write(_ frames: [LogFrame]) throws(SpoolError) -> [Location] {
    var locations: [Location] = []
    var bytes: [UInt8] = []
    for frame in frames {
      let encoded = frame.bytes
      if let current = segments.last, current.bytes + bytes.count >= segmentBytes,
        nextSequence > current.first
      {
        try flush(&bytes)
        try sync()
        try start()
      }
      guard let current = segments.last else { throw SpoolError(.broken, "no segment") }
      locations.append(
        Location(
          segment: current.first,
          offset: current.bytes + bytes.count,
          length: encoded.count
        )
      )
      bytes += encoded
      nextSequence = max(nextSequence, frame.sequence + 1)
    }
    try flush(&bytes)
    return locations
  }

  private mutating func flush(_ bytes: inout [UInt8]) throws(SpoolError) {
    try PosixFile.write(descriptor, bytes)
    segments[segments.count - 1].bytes += bytes.count
    bytes.removeAll(keepingCapacity: true)
  }

  func sync() throws(SpoolError) { try PosixFile.sync(descriptor) }

  func read(_ location: Location) throws -> LogFrame {
    let other =
      location.segment == segments.last?.first
      ? nil : try PosixFile.open(path(location.segment), O_RDONLY)
    defer { if let other { Glibc.close(other) } }
    let bytes = try PosixFile.read(
      other ?? descriptor,
      at: location.offset,
      count: location.length
    )
    guard let frame = LogFrame(bytes, at: 0) else {
      throw SpoolError(.broken, "a record of \(path(location.segment)) is damaged")
    }
    return frame
  }

  /// Removes the segments that hold nothing above `sequence`; the one written to stays.
  mutating func trim(through sequence: UInt64) throws(SpoolError) {
    var removed = false
    while segments.count > 1, segments[1].first - 1 <= sequence {
      let path = path(segments[0].first)
      guard unlink(path) == 0 || errno == ENOENT else {
        throw SpoolError(.broken, "remove \(path)", errno: errno)
      }
      segments.removeFirst()
      removed = true
    }
    if removed { try PosixFile.syncDirectory(directory) }
  }

  private mutating func start() throws(SpoolError) {
    let first = nextSequence
    let next = try PosixFile.open(path(first), O_RDWR | O_APPEND | O_CREAT | O_EXCL)
    try PosixFile.syncDirectory(directory)
    if descriptor >= 0 { Glibc.close(descriptor) }
    descriptor = next
    segments.append((first, 0))
  }

  private func path(_ first: UInt64) -> String {
    let digits = String(first)
    return "\(directory)/\(String(repeating: "0", count: 20 - digits.count))\(digits).log"
  }
}
