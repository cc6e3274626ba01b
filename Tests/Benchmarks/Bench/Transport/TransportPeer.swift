internal import ArgumentParser
internal import Foundation
internal import Scenario

/// A server of `bindery.bench.Echo`, in a process of its own.
enum TransportPeer: String, ExpressibleByArgument, CaseIterable {
  case bindery
  case nio
  case cpp
  case go
  case nghttpd

  static let get = "/bindery.bench.Echo/Get"

  var title: String {
    switch self {
    case .bindery: "Bindery's transport"
    case .nio: "grpc-swift-nio-transport 2.9.2"
    case .cpp: "gRPC C++ 1.51"
    case .go: "grpc-go 1.33"
    case .nghttpd: "nghttpd 1.52, a file (limit)"
    }
  }

  /// Below the ephemeral range, so that no outgoing connection sits on it.
  var port: Int {
    switch self {
    case .bindery: 7960
    case .nio: 7961
    case .cpp: 7962
    case .go: 7963
    case .nghttpd: 7964
    }
  }

  /// Answers with more than an HTTP status.
  var isGRPC: Bool { self != .nghttpd }

  /// Serves `Watch` and `Publish` too.
  var isPushing: Bool { self == .bindery || self == .nio }

  /// Starts it and waits until it takes connections.
  func start(_ place: BenchPlace, _ folder: URL) async throws -> Program {
    let peers = URL(filePath: place.repository).appending(path: "Tests/Benchmarks/Peers")
    let (path, arguments): (String, [String]) =
      switch self {
      case .bindery: (try place.layout().program("bindery-bench"), ["echo-server", "--port"])
      case .nio: (peers.appending(path: ".build-swift/release/nio-echo-server").path, [])
      case .cpp: (peers.appending(path: ".build-cpp/cpp-echo-server").path, [])
      case .go: (peers.appending(path: ".build-go/go-echo-server").path, [])
      case .nghttpd:
        (
          "/usr/sbin/nghttpd",
          [
            "--no-tls", "--workers=\(ProcessInfo.processInfo.activeProcessorCount)",
            "--address=127.0.0.1", "--htdocs=\(try documents(in: folder))",
          ]
        )
      }
    guard FileManager.default.isExecutableFile(atPath: path) else {
      throw BenchFailure("\(path) is missing: run Tests/Benchmarks/Peers/build")
    }
    guard !Sockets.isListening(port: port) else {
      throw BenchFailure("another program has port \(port), where \(rawValue) is to listen")
    }
    let program = try Program(
      rawValue,
      path: path,
      arguments: arguments + ["\(port)"],
      log: folder.appending(path: "\(rawValue).log")
    )
    try await waitUntil("\(rawValue) listens", within: .seconds(20)) {
      guard program.isRunning else {
        throw BenchFailure("\(rawValue) ended at once\n\(program.tail())")
      }
      return Sockets.isListening(port: port)
    }
    return program
  }

  /// A file under the method's path, as long as an answer: nghttpd serves nothing else.
  private func documents(in folder: URL) throws -> String {
    let root = folder.appending(path: "htdocs")
    let file = root.appending(path: String(Self.get.dropFirst()))
    try FileManager.default.createDirectory(
      at: file.deletingLastPathComponent(),
      withIntermediateDirectories: true
    )
    try Data(EchoRequest.framed).write(to: file)
    return root.path
  }

  /// Checks that it echoes, which a load generator for plain HTTP/2 can't see.
  func check() throws {
    guard isGRPC else { return }
    let answer = try LightConnection(port: port).unary(Self.get, EchoRequest.message)
    guard answer == EchoRequest.message else {
      throw BenchFailure("\(rawValue) answered other bytes than it got")
    }
  }
}

/// What is sent: 128 bytes.
enum EchoRequest {
  static let message = (0 ..< 128).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ 3) }
  /// After gRPC's prefix.
  static let framed: [UInt8] = [0, 0, 0, 0, 128] + message
}
