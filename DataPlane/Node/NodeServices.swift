internal import Channels
internal import Domain
internal import Foundation
internal import GRPCCore
internal import ServiceLifecycle
internal import Subscription
internal import Synchronization
internal import Transport
internal import Turn

/// Runs something that goes on until it is cancelled, and cancels it on a graceful shutdown.
struct UntilShutdown: Service {
  private let body: @Sendable () async throws -> Void

  init(_ body: @escaping @Sendable () async throws -> Void) { self.body = body }

  func run() async throws {
    do {
      try await cancelWhenGracefulShutdown(body)
    } catch is CancellationError {
      // That is how it ends.
    }
  }
}

/// Runs something that ends by itself once it is told to.
struct UntilDrained: Service {
  private let body: @Sendable () async throws -> Void
  private let finish: @Sendable () -> Void

  init(
    _ body: @escaping @Sendable () async throws -> Void,
    finish: @escaping @Sendable () -> Void
  ) {
    self.body = body
    self.finish = finish
  }

  func run() async throws {
    try await withGracefulShutdownHandler {
      try await body()
    } onGracefulShutdown: {
      finish()
    }
  }
}

/// Turns that follow a stored input: the turns under way end before the scheduler does.
struct ScheduledTurns: Service {
  let scheduler: ConversationScheduler

  func run() async throws {
    let scheduler = scheduler
    await withTaskGroup(of: Bool.self) { group in
      group.addTask {
        await scheduler.run()
        return true
      }
      group.addTask {
        do {
          try await gracefulShutdown()
        } catch {
          return false  // Cancelled: the scheduler is too.
        }
        await scheduler.finish()
        return false
      }
      for await hasRun in group where hasRun { group.cancelAll() }
    }
  }
}

/// Says once, on one line, that the node serves: bound, and with a configuration to serve.
final class Announcement: Sendable {
  private let port = Mutex<Int?>(nil)

  func listens(on port: Int) { self.port.withLock { $0 = port } }

  func announce(host: String, nodeID: String, cache: ConfigCache) async throws {
    while true {
      if let port = port.withLock({ $0 }), cache.isLoaded {
        let line = "ready http=\(host):\(port) node=\(nodeID) revision=\(cache.status.revision)\n"
        try FileHandle.standardOutput.write(contentsOf: Data(line.utf8))
        return
      }
      try await Task.sleep(for: .milliseconds(5))
    }
  }
}
