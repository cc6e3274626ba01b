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
    try poller.watch(listener, tag: -1 & Int.max)
    FileHandle.standardOutput.write(Data("ready on 127.0.0.1:\(port)\n".utf8))
    let payload = [UInt8](repeating: 7, count: bytes)
    var descriptors: [Int32] = []
    while true {
      var told: Int32?
      try poller.wait(milliseconds: -1) { tag in
        guard tag == -1 & Int.max else {
          told = descriptors[tag]
          return
        }
        let accepted = accept(listener, nil, nil)
        guard accepted >= 0 else { throw BenchFailure.system("accept") }
        try Sockets.prepare(accepted)
        try poller.watch(accepted, tag: descriptors.count)
        descriptors.append(accepted)
      }
      guard let told else { continue }
      var byte: UInt8 = 0
      guard recv(told, &byte, 1, 0) == 1 else { return }
      let receivers = descriptors.filter { $0 != told }
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
}
