internal import ArgumentParser
internal import Foundation
internal import Observability

/// The least that a push can cost: one `write` of the payload to every connection, on as many threads
/// as there are cores, with no protocol at all.
struct FanoutFloor: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "fanout",
    abstract: "Write a payload to all connections when told to (started by 'push').",
    shouldDisplay: false
  )

  @Option var port: Int
  @Option var bytes: Int

  func run() throws {
    raiseOpenFileLimit()
    let poller = try Poller()
    let listener = try Sockets.listen(port: port)
    try poller.watch(listener, tag: Int(listener))
    FileHandle.standardOutput.write(Data("ready on 127.0.0.1:\(port)\n".utf8))
    let payload = [UInt8](repeating: 7, count: bytes)
    var connections: Set<Int32> = []
    while true {
      var told: [Int32] = []
      try poller.wait(milliseconds: -1) { tag in
        guard tag == Int(listener) else {
          told.append(Int32(tag))
          return
        }
        let accepted = accept(listener, nil, nil)
        guard accepted >= 0 else { throw BenchFailure.system("accept") }
        try Sockets.prepare(accepted)
        try poller.watch(accepted, tag: Int(accepted))
        connections.insert(accepted)
      }
      for connection in told {
        var byte: UInt8 = 0
        if recv(connection, &byte, 1, 0) == 1 {
          Self.write(payload, to: connections.filter { $0 != connection })
        } else {
          // A crowd went home.
          poller.unwatch(connection)
          close(connection)
          connections.remove(connection)
        }
      }
    }
  }

  private static func write(_ payload: [UInt8], to receivers: some Collection<Int32>) {
    let receivers = Array(receivers)
    let threads = ProcessInfo.processInfo.activeProcessorCount
    let share = (receivers.count + threads - 1) / threads
    DispatchQueue.concurrentPerform(iterations: threads) { thread in
      payload.withUnsafeBytes { bytes in
        for receiver in receivers.dropFirst(thread * share).prefix(share) {
          do {
            try Sockets.write(bytes, to: receiver)
          } catch {
            FileHandle.standardError.write(Data("\(error)\n".utf8))
          }
        }
      }
    }
  }
}
