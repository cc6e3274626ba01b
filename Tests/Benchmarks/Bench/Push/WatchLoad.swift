internal import ArgumentParser
internal import Foundation
internal import Observability
internal import SwiftProtobuf
internal import Wire

/// N watchers, each on a TCP connection of its own, in one process and on one thread.
///
/// Prints `ready`, then for every round in which all of them got a message a line
/// `round NUMBER FIRST MEDIAN LAST`, times in ns of CLOCK_MONOTONIC.
struct WatchLoad: ParsableCommand {
  enum Peer: String, ExpressibleByArgument, CaseIterable {
    case bindery
    case etcd
    case echo
    case floor
  }

  static let configuration = CommandConfiguration(
    commandName: "watchers",
    abstract: "Hold N watch streams (started by 'push').",
    shouldDisplay: false
  )

  @Option var peer: Peer
  @Option var port: Int
  @Option var count: Int
  /// A message of at least so many bytes counts.
  @Option var bytes: Int
  /// So many of them read nothing any more once their watch stands, and don't count.
  @Option var stopped = 0

  func run() throws {
    raiseOpenFileLimit()
    let poller = try Poller()
    let rounds = Rounds(watchers: count - stopped)
    let scratch = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 * 1024, alignment: 16)
    defer { scratch.deallocate() }
    let owed = OwedAcknowledgements()
    switch peer {
    case .floor: try watchFloor(poller, rounds, scratch)
    case .etcd:
      try watch(poller, rounds, scratch, owed, path: "/etcdserverpb.Watch/Watch") { call, _ in
        call.onMessage = { take($0, rounds) }
        try call.send(EtcdMessages.watch(EtcdMessages.key))
      }
    case .echo:
      try watch(poller, rounds, scratch, owed, path: "/bindery.bench.Echo/Watch") { call, _ in
        call.onMessage = { take($0, rounds) }
        try call.send([])
      }
    case .bindery:
      try watch(poller, rounds, scratch, owed, path: "/bindery.v1.Distribution/Watch") {
        call,
        index in
        if index < stopped {
          call.onMessage = { try stop($0, call, poller) }
        } else {
          call.onMessage = { try owed.take($0, of: index, rounds) }
        }
        try call.send(Self.hello(index))
      }
    }
  }

  /// A short first message says that the watch stands.
  private func take(_ message: UnsafeRawBufferPointer, _ rounds: Rounds) {
    if message.count >= bytes { rounds.received() } else { rounds.came() }
  }

  private func watch(
    _ poller: Poller,
    _ rounds: Rounds,
    _ scratch: UnsafeMutableRawBufferPointer,
    _ owed: OwedAcknowledgements,
    path: String,
    _ begin: (LightCall, Int) throws -> Void
  ) throws {
    var calls: [LightCall] = []
    for index in 0 ..< count {
      let call = try LightCall(port: port, path: path)
      try begin(call, index)
      try poller.watch(call.descriptor, tag: index)
      calls.append(call)
      // Take what came meanwhile, so that no server waits on us.
      try poller.wait(milliseconds: 0) { try calls[$0].readable(scratch) }
    }
    var lease = LeaseRenewal(watchers: count)
    while true {
      let wasRead = try poller.wait(milliseconds: owed.isEmpty ? 50 : 0) {
        try calls[$0].readable(scratch)
      }
      // The nodes of a fleet acknowledge each on a machine of its own: nobody waits for another's.
      if wasRead == 0 { try owed.send { try calls[$0].send($1) } }
      if peer == .bindery {
        for (index, sequence) in lease.due() where index >= stopped {
          try calls[index].send(Self.status(sequence))
        }
      }
    }
  }

  private func watchFloor(
    _ poller: Poller,
    _ rounds: Rounds,
    _ scratch: UnsafeMutableRawBufferPointer
  ) throws {
    var descriptors: [Int32] = []
    var received = [Int](repeating: 0, count: count)
    for index in 0 ..< count {
      descriptors.append(try Sockets.connect(port: port))
      try poller.watch(descriptors[index], tag: index)
      rounds.came()
    }
    while true {
      try poller.wait(milliseconds: -1) { index in
        let count = recv(descriptors[index], scratch.baseAddress, scratch.count, 0)
        guard count > 0 else { throw BenchFailure("the server closed a connection") }
        received[index] += count
        if received[index] >= bytes {
          received[index] -= bytes
          rounds.received()
        }
      }
    }
  }

  /// Reads up to the end of the snapshot and no further.
  private func stop(
    _ message: UnsafeRawBufferPointer,
    _ call: LightCall,
    _ poller: Poller
  ) throws {
    let response = try Bindery_V1_WatchResponse(serializedBytes: Array(message))
    if case .snapshotEnd = response.message { poller.unwatch(call.descriptor) }
  }

  // MARK: - Bindery's messages

  private static func hello(_ index: Int) throws -> [UInt8] {
    var request = Bindery_V1_WatchRequest()
    request.hello.nodeID = "bench-\(index)"
    request.hello.region = "bench"
    request.hello.mode = .eager
    return try request.serializedBytes()
  }

  private static func status(_ sequence: Int64) throws -> [UInt8] {
    var request = Bindery_V1_WatchRequest()
    request.status.statusSeq = sequence
    return try request.serializedBytes()
  }
}

/// Acknowledgements of what a node would acknowledge after it has applied it; sent once there is
/// nothing left to read.
final class OwedAcknowledgements {
  private var owed: [(watcher: Int, revision: Int64)] = []

  var isEmpty: Bool { owed.isEmpty }

  func take(_ message: UnsafeRawBufferPointer, of watcher: Int, _ rounds: Rounds) throws {
    let response = try Bindery_V1_WatchResponse(
      serializedBytes: Array(message)
    )
    switch response.message {
    case .snapshotEnd(let end):
      owed.append((watcher, end.revision))
      rounds.came()
    case .delta(let delta):
      rounds.received()
      owed.append((watcher, delta.revision))
    default: break
    }
  }

  func send(_ send: (Int, [UInt8]) throws -> Void) throws {
    for (watcher, revision) in owed {
      var request = Bindery_V1_WatchRequest()
      request.ack.applied = true
      request.ack.revision = revision
      try send(watcher, request.serializedBytes())
    }
    owed.removeAll(keepingCapacity: true)
  }
}

/// Counts what all watchers got.
final class Rounds {
  private let watchers: Int
  private var waiting: Int
  private var times: [UInt64] = []
  private var round = 0

  init(watchers: Int) {
    self.watchers = watchers
    waiting = watchers
    times.reserveCapacity(watchers)
  }

  /// A watcher stands and waits for the first round.
  func came() {
    waiting -= 1
    if waiting == 0 { say("ready: \(watchers) watchers") }
  }

  func received() {
    times.append(monotonicNanoseconds())
    guard times.count == watchers else { return }
    round += 1
    // One thread: the times rise.
    say("round \(round) \(times[0]) \(times[watchers / 2]) \(times[watchers - 1])")
    times.removeAll(keepingCapacity: true)
  }

  private func say(_ line: String) { FileHandle.standardOutput.write(Data((line + "\n").utf8)) }
}

/// Which watchers are due to send a Status, as a node does for its lease; spread evenly.
struct LeaseRenewal {
  private let watchers: Int
  private let interval: UInt64 = 1_500_000_000
  private var next = 0
  private var begun = monotonicNanoseconds()
  private var sequence: Int64 = 1

  init(watchers: Int) { self.watchers = watchers }

  mutating func due() -> [(Int, Int64)] {
    let elapsed = min(monotonicNanoseconds() - begun, interval)
    let wanted = Int(UInt64(watchers) * elapsed / interval)
    var list: [(Int, Int64)] = []
    while next < wanted {
      list.append((next, sequence))
      next += 1
    }
    if next == watchers {
      next = 0
      begun = monotonicNanoseconds()
      sequence += 1
    }
    return list
  }
}
