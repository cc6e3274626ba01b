/// Rings every 15 s until it is stopped, so that proxies keep a silent stream open.
struct AliveTimer: Sendable {
  private let stops: AsyncStream<Void>
  private let stopper: AsyncStream<Void>.Continuation

  init() { (stops, stopper) = AsyncStream.makeStream() }

  func stop() { stopper.finish() }

  func run(_ ring: @escaping @Sendable () -> Void) async {
    await withTaskGroup { group in
      group.addTask {
        do {
          while true {
            try await Task.sleep(for: .seconds(15))
            ring()
          }
        } catch {
          return  // Stopped.
        }
      }
      group.addTask { for await _ in stops {} }
      await group.next()
      group.cancelAll()
    }
  }
}
