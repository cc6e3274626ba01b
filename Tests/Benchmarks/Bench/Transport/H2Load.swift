internal import Foundation
internal import Scenario

/// h2load, nghttp2's load generator: 8 connections with 32 calls each, on one thread.
struct H2Load {
  private let folder: URL
  private let body: URL
  private static let path = "/usr/bin/h2load"

  init(folder: URL) throws {
    guard FileManager.default.isExecutableFile(atPath: Self.path) else {
      throw BenchFailure("\(Self.path) is missing: run Tests/Benchmarks/Peers/build")
    }
    self.folder = folder
    body = folder.appending(path: "request")
    try Data(EchoRequest.framed).write(to: body)
  }

  /// Calls that were answered.
  struct Result {
    var calls: Double
    var callsPerSecond: Double
  }

  func run(
    _ peer: TransportPeer,
    seconds: Int,
    headers: [String] = [],
    log: URL? = nil
  ) async throws -> Result {
    var arguments = [
      "-c", "8", "-m", "32", "-D", "\(seconds)", "-d", body.path, "-H", "te: trailers", "-H",
      "content-type: application/grpc",
    ]
    for header in headers { arguments += ["-H", header] }
    if let log { arguments += ["--log-file", log.path] }
    arguments.append("http://127.0.0.1:\(peer.port)\(TransportPeer.get)")
    let done = try await Completed.run(
      "h2load",
      path: Self.path,
      arguments: arguments,
      within: .seconds(seconds + 30)
    )
    return try Self.parse(done.standardOutput)
  }

  /// Times of all calls of a short run; h2load counts in us.
  func times(_ peer: TransportPeer, seconds: Int) async throws -> Times {
    let log = folder.appending(path: "times-\(peer.rawValue)")
    _ = try await run(peer, seconds: seconds, log: log)
    var times = Times()
    for line in String(decoding: try Data(contentsOf: log), as: UTF8.self).split(separator: "\n") {
      // Start, HTTP status, duration.
      let fields = line.split(separator: "\t")
      if fields.count >= 3, let duration = Double(fields[2]) {
        times.add(milliseconds: duration / 1000)
      }
    }
    return times
  }

  /// - Throws: `BenchFailure` when a call failed, or nothing was answered.
  static func parse(_ output: String) throws -> Result {
    var rate: Double?
    var counts: [Substring: Double] = [:]
    for line in output.split(separator: "\n") {
      let words = line.split { $0 == " " || $0 == "," }
      if line.hasPrefix("finished in"), words.count > 3 { rate = Double(words[3]) }
      if line.hasPrefix("requests:") || line.hasPrefix("status codes:") {
        for (number, name) in zip(words, words.dropFirst()) { counts[name] = Double(number) }
      }
    }
    // A status comes before its call is done: more of them than calls when the time is up.
    let bad = ["failed", "errored", "timeout", "3xx", "4xx", "5xx"]
    guard let rate, let done = counts["done"], done > 0, counts["2xx", default: 0] >= done,
      bad.allSatisfy({ counts[Substring($0)] == 0 })
    else {
      throw BenchFailure("h2load: calls failed\n\(output)")
    }
    return Result(calls: done, callsPerSecond: rate)
  }
}
