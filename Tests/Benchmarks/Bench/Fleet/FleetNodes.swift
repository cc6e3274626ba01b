internal import ArgumentParser
internal import Foundation
internal import Observability
internal import SwiftProtobuf
internal import Wire

/// N nodes as they come back after their control plane has died: each on a TCP connection of its own,
/// all in one process and on one thread.
///
/// Prints `ready` when all of them stand at `--revision`. After that, each node whose connection breaks
/// comes back as nodes do, and says where it stands; when all have what is newer, a line
/// `current FIRST MEDIAN LAST BYTES`: times in ns of CLOCK_MONOTONIC, bytes that all sockets read since
/// the first break. Without `--revision` they take a snapshot; `ready` is that all have it, and the same
/// line follows.
struct FleetNodes: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "fleet-nodes",
    abstract: "Hold N nodes (started by 'resume' and 'herd').",
    shouldDisplay: false
  )

  @Option var port: Int
  @Option var count: Int
  /// Store and revision that they hold; nothing: they hold nothing.
  @Option var incarnation: String?
  @Option var revision: Int64 = 0
  /// Comes back at once, all together.
  @Flag var atOnce = false

  func run() throws {
    raiseOpenFileLimit()
    var fleet = try Fleet(
      port: port,
      count: count,
      held: incarnation.flatMap { text in
        Data(base64Encoded: text).map { ($0, revision) }
      },
      isPatient: !atOnce
    )
    try fleet.run()
  }
}

private struct Fleet {
  /// One node's stream.
  private final class Node {
    var call: LightCall?
    /// In ns; nil while it is connected.
    var nextTry: UInt64?
    var failures = 0
    var revision: Int64
    var isStanding = false
    /// Came back after a break, and does not have what is newer yet.
    var isBehind = false
    var currentAt: UInt64?
    var owed: Int64?
    var statusSequence: Int64 = 0

    init(_ revision: Int64) { self.revision = revision }
  }

  private let port: Int
  private let incarnation: Data?
  private let isPatient: Bool
  private let began = monotonicNanoseconds()
  private let poller: Poller
  private var nodes: [Node]
  private var bytes = 0
  private var isReady = false
  private var isTold = false

  init(port: Int, count: Int, held: (Data, Int64)?, isPatient: Bool) throws {
    self.port = port
    incarnation = held?.0
    self.isPatient = isPatient
    poller = try Poller()
    nodes = (0 ..< count).map { _ in Node(held?.1 ?? 0) }
    for node in nodes { node.nextTry = 0 }
  }

  mutating func run() throws {
    let scratch = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 * 1024, alignment: 16)
    defer { scratch.deallocate() }
    var lastStatus = monotonicNanoseconds()
    while true {
      connectDue()
      let read = try poller.wait(milliseconds: 5) { index in
        let node = nodes[index]
        do {
          bytes += try node.call?.readable(scratch) ?? 0
        } catch {
          lose(index)
        }
      }
      if read == 0 { try acknowledge() }
      tell()
      let now = monotonicNanoseconds()
      guard now - lastStatus > 1_500_000_000 else { continue }
      lastStatus = now
      for (index, node) in nodes.enumerated() {
        node.statusSequence += 1
        var request = Bindery_V1_WatchRequest()
        request.status.statusSeq = node.statusSequence
        try send(request, index)
      }
    }
  }

  private mutating func connectDue() {
    let now = monotonicNanoseconds()
    for (index, node) in nodes.enumerated() {
      guard let due = node.nextTry, due <= now else { continue }
      do {
        let call = try LightCall(port: port, path: "/bindery.v1.Distribution/Watch")
        call.onMessage = { [self] in try take($0, of: nodes[index]) }
        node.call = call
        node.nextTry = nil
        try send(hello(index), index)
        try poller.watch(call.descriptor, tag: index)
      } catch {
        lose(index)
      }
    }
  }

  private mutating func lose(_ index: Int) {
    let node = nodes[index]
    if let call = node.call { poller.unwatch(call.descriptor) }
    node.call = nil
    if node.isStanding || isReady {
      if !nodes.contains(where: \.isBehind), isReady, node.isStanding { bytes = 0 }
      node.isBehind = true
    }
    node.isStanding = false
    // As nodes do: 1 s, doubled at each failure, up to 5 s; between half of it and all.
    let wait = isPatient ? min(5, Double(1 << min(node.failures, 3))) : 0.1
    node.failures += 1
    let part = isPatient ? Double.random(in: 0.5 ..< 1) : 1
    node.nextTry = monotonicNanoseconds() + UInt64(wait * part * 1e9)
  }

  private func hello(_ index: Int) -> Bindery_V1_WatchRequest {
    var request = Bindery_V1_WatchRequest()
    request.hello.nodeID = "bench-\(index)"
    request.hello.region = "bench"
    request.hello.mode = .eager
    if let incarnation, nodes[index].revision > 0 {
      request.hello.storeIncarnation = incarnation
      request.hello.resumeRevision = nodes[index].revision
    }
    return request
  }

  private func send(_ request: Bindery_V1_WatchRequest, _ index: Int) throws {
    guard let call = nodes[index].call else { return }
    try call.send(request.serializedBytes())
  }

  private func take(_ message: UnsafeRawBufferPointer, of node: Node) throws {
    switch try Bindery_V1_WatchResponse(serializedBytes: Array(message)).message {
    case .resumed: stand(node)
    case .snapshotEnd(let end):
      node.revision = end.revision
      node.owed = end.revision
      stand(node)
      node.currentAt = monotonicNanoseconds()
    case .delta(let delta):
      node.revision = delta.revision
      node.owed = delta.revision
      node.isBehind = false
      node.currentAt = monotonicNanoseconds()
    default: break
    }
  }

  private func stand(_ node: Node) {
    node.isStanding = true
    node.failures = 0
  }

  private func acknowledge() throws {
    for (index, node) in nodes.enumerated() {
      guard let revision = node.owed else { continue }
      node.owed = nil
      var request = Bindery_V1_WatchRequest()
      request.ack.applied = true
      request.ack.revision = revision
      try send(request, index)
    }
  }

  private mutating func tell() {
    if !isReady, nodes.allSatisfy(\.isStanding) {
      isReady = true
      say("ready: \(nodes.count) nodes")
      guard incarnation == nil else {
        bytes = 0
        for node in nodes { node.currentAt = nil }
        return
      }
    }
    guard isReady, !isTold, nodes.allSatisfy({ $0.currentAt != nil && !$0.isBehind }) else {
      return
    }
    isTold = true
    let times = nodes.compactMap(\.currentAt).sorted()
    say("current \(times[0]) \(times[times.count / 2]) \(times[times.count - 1]) \(bytes) \(began)")
  }

  private func say(_ line: String) { FileHandle.standardOutput.write(Data((line + "\n").utf8)) }
}
