internal import Foundation
internal import GRPCCore
internal import GRPCNIOTransportHTTP2Posix

/// `nio-echo-server PORT`: bindery.bench.Echo on grpc-swift-nio-transport.
@main
struct Main {
  static func main() async throws {
    guard CommandLine.arguments.count == 2, let port = Int(CommandLine.arguments[1]) else {
      FileHandle.standardError.write(Data("usage: nio-echo-server PORT\n".utf8))
      exit(64)
    }
    var limit = rlimit()
    let kind = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
    if getrlimit(kind, &limit) == 0 {
      limit.rlim_cur = limit.rlim_max
      setrlimit(kind, &limit)
    }
    let transport = HTTP2ServerTransport.Posix(
      address: .ipv4(host: "127.0.0.1", port: port),
      transportSecurity: .plaintext
    )
    var router = RPCRouter<HTTP2ServerTransport.Posix>()
    EchoMethods.register(on: &router, watchers: TaskWatchers())
    let server = GRPCServer(transport: transport, router: router)
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await server.serve() }
      _ = try await transport.listeningAddress
      FileHandle.standardOutput.write(Data("ready on 127.0.0.1:\(port)\n".utf8))
      try await group.waitForAll()
    }
  }
}
