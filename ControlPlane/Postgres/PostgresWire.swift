internal import CLibPQ
internal import Dispatch
internal import Synchronization

/// One libpq connection. All of its state lives on the reactor's thread, which is its executor.
///
/// Between statements the connection stays in libpq's pipeline mode, in which preparing and running a
/// statement, or a whole batch, is one round trip; `PostgresWire+Simple.swift` leaves it for what
/// pipeline mode can't do.
actor PostgresWire {
  /// What the task's cancellation does to an operation.
  enum Cancellation: Sendable {
    /// Nothing: the operation decides what holds afterwards (COMMIT, ROLLBACK).
    case ignored
    /// It ends the wait; the server is not involved.
    case local
    /// The server is asked to cancel the statement.
    case statement
  }

  /// What may be done with the connection; read by the pool from any thread.
  enum Condition: UInt8, AtomicRepresentable, Sendable {
    case idle
    /// A transaction is open, or a statement runs.
    case occupied
    case broken
  }

  private nonisolated let reactor: PostgresReactor
  nonisolated var unownedExecutor: UnownedSerialExecutor { reactor.asUnownedSerialExecutor() }

  private nonisolated let currentCondition = Atomic<Condition>(.occupied)
  nonisolated var condition: Condition { currentCondition.load(ordering: .acquiring) }

  private var handle: ConnectionHandle?
  private var watched: Int32?
  private var isConnected = false
  private var failure: PostgresError?

  var prepared = PreparedStatements()
  var notifications = NotificationBuffer()

  /// Counts operations, so that a late cancellation does not hit the next one.
  private var operation = 0
  private var isBusy = false
  private var cancellation = Cancellation.ignored
  private var isCancelled = false
  private var isCancelRequestOut = false
  private var isOverdue = false
  private var deadline: ContinuousClock.Instant?
  private var waiter: CheckedContinuation<Void, Never>?
  /// Something came while nobody waited; who waits next looks again before it sleeps.
  private var isWoken = false

  private init(handle: ConnectionHandle, reactor: PostgresReactor) {
    self.handle = handle
    self.reactor = reactor
  }

  isolated deinit {
    if let watched { reactor.unwatch(watched) }
  }

  // MARK: - Opening and closing

  /// Connects; throws a `PostgresError` of kind `connection`, `timeout` or `cancelled`.
  static func open(
    _ parameters: ConnectionParameters,
    deadline: ContinuousClock.Instant,
    reactor: PostgresReactor = .shared
  ) async throws -> PostgresWire {
    // Looking a host name up blocks, so this does not happen on the reactor's thread.
    let handle = try await withCheckedThrowingContinuation { continuation in
      DispatchQueue.global().async {
        continuation.resume(with: Result { try parameters.startConnecting() })
      }
    }
    let wire = PostgresWire(handle: handle, reactor: reactor)
    do {
      try await wire.connect(until: deadline)
    } catch {
      await wire.close()
      throw error
    }
    return wire
  }

  private func connect(until deadline: ContinuousClock.Instant) async throws {
    try await perform(deadline: deadline, cancellation: .local) { wire in
      try await wire.connect()
    }
  }

  private func connect() async throws {
    let connection = try libpq()
    guard PQstatus(connection) != CONNECTION_BAD else { throw connectFailure(connection) }
    var step = PGRES_POLLING_WRITING
    while step != PGRES_POLLING_OK {
      switch step {
      case PGRES_POLLING_READING: await wait(for: .read)
      case PGRES_POLLING_WRITING: await wait(for: .write)
      default: throw connectFailure(connection)
      }
      if isCancelled { throw PostgresError(.cancelled, "cancelled while connecting") }
      if isOverdue { throw PostgresError(.timeout, "the database did not answer in time") }
      // The socket may be another one after each step: another address, or TLS refused.
      step = PQconnectPoll(try libpq())
    }
    guard PQsetnonblocking(connection, 1) == 0, PQenterPipelineMode(connection) == 1 else {
      throw connectFailure(connection)
    }
    isConnected = true
    watch(.read)
  }

  private func connectFailure(_ connection: OpaquePointer) -> PostgresError {
    PostgresError(
      connectMessage: PQerrorMessage(connection).map { String(cString: $0) } ?? ""
    )
  }

  func close() {
    fail(PostgresError(.closed, "the connection was closed"))
  }

  /// The connection is of no use any more: whoever waits learns why.
  func fail(_ error: PostgresError) {
    guard failure == nil else { return }
    failure = error
    currentCondition.store(.broken, ordering: .releasing)
    if let watched { reactor.unwatch(watched) }
    watched = nil
    handle = nil
    wake()
  }

  /// The live connection, or the reason why there is none.
  func libpq() throws -> OpaquePointer {
    guard let handle else {
      throw failure ?? PostgresError(.connection, "the connection is gone")
    }
    return handle.pointer
  }

  // MARK: - Running one operation at a time

  /// Runs `body` as the connection's only operation; at `deadline` the connection is closed.
  func perform<T: Sendable>(
    deadline: ContinuousClock.Instant?,
    cancellation: Cancellation = .statement,
    _ body: (isolated PostgresWire) async throws -> T
  ) async throws -> T {
    guard !isBusy else {
      throw PostgresError(
        .misuse,
        "the connection already runs a statement: use pipeline, or a connection for each"
      )
    }
    _ = try libpq()
    if cancellation != .ignored, Task.isCancelled {
      throw PostgresError(.cancelled, "cancelled before it began")
    }
    operation += 1
    let current = operation
    isBusy = true
    isCancelled = false
    isOverdue = false
    isWoken = false
    self.cancellation = cancellation
    self.deadline = deadline
    currentCondition.store(failure == nil ? .occupied : .broken, ordering: .releasing)
    let result: Result<T, any Error>
    if cancellation == .ignored {
      result = await Self.result(of: body, on: self)
    } else {
      result = await withTaskCancellationHandler {
        await Self.result(of: body, on: self)
      } onCancel: {
        reactor.execute { self.assumeIsolated { $0.cancel(operation: current) } }
      }
    }
    // A cancel request that is still on its way could hit the next statement.
    while isCancelRequestOut, failure == nil {
      await wait(for: .read)
      if isOverdue { fail(Self.broke) }
    }
    self.deadline = nil
    isBusy = false
    settle()
    return try result.get()
  }

  private static func result<T: Sendable>(
    of body: (isolated PostgresWire) async throws -> T,
    on wire: isolated PostgresWire
  ) async -> Result<T, any Error> {
    do { return .success(try await body(wire)) } catch { return .failure(error) }
  }

  private func settle() {
    guard isConnected, failure == nil, let handle else { return }
    // In pipeline mode, libpq reports the state as of the last synchronisation point.
    let isIdle = PQtransactionStatus(handle.pointer) == PQTRANS_IDLE
    currentCondition.store(isIdle ? .idle : .occupied, ordering: .releasing)
    // Whoever waited for room to write may have got the answer without waiting again.
    watch(.read)
    if PQstatus(handle.pointer) == CONNECTION_BAD { fail(Self.broke) }
  }

  static let broke = PostgresError(.connection, "the connection to the database broke")

  /// Whether the server was asked to cancel what runs now.
  var wasCancelled: Bool { isCancelled }

  private func cancel(operation cancelled: Int) {
    guard cancelled == operation, isBusy, !isCancelled, let handle else { return }
    isCancelled = true
    guard cancellation == .statement else { return wake() }
    // The server has this long to give in; then the connection is closed.
    deadline = min(deadline ?? .now + .seconds(5), .now + .seconds(5))
    watch(.read)
    defer { wake() }
    guard let request = PQgetCancel(handle.pointer) else { return }
    isCancelRequestOut = true
    let address = UInt(bitPattern: request)
    // PQcancel blocks: it opens a connection of its own. At most one runs for each connection.
    DispatchQueue.global().async {
      let request = OpaquePointer(bitPattern: address)
      var message = [CChar](repeating: 0, count: 256)
      _ = PQcancel(request, &message, Int32(message.count))
      PQfreeCancel(request)
      self.reactor.execute { self.assumeIsolated { $0.cancelRequestEnded() } }
    }
  }

  private func cancelRequestEnded() {
    isCancelRequestOut = false
    wake()
  }

  // MARK: - Waiting

  /// Waits until something has come (or gone out); throws when the connection broke or time is up.
  func waitForServer(writing: Bool = false) async throws {
    _ = try libpq()
    await wait(for: writing ? [.read, .write] : .read)
    _ = try libpq()
    guard isOverdue else { return }
    let error =
      isCancelled
      ? PostgresError(.cancelled, "cancelled; the server did not answer, the connection was closed")
      : PostgresError(.timeout, "the server did not answer in time, the connection was closed")
    fail(error)
    throw error
  }

  /// Every `await`, also of this method, may let others run on the reactor's thread: in a task that
  /// prefers an executor it always does. So the socket is watched only once there is somebody to wake,
  /// and who is woken before that does not fall asleep.
  private func wait(for interest: PostgresReactor.Readiness) async {
    await withCheckedContinuation { continuation in
      waiter = continuation
      watch(interest)
      if isWoken { wake() }
    }
  }

  private var shownInterest: PostgresReactor.Readiness = []
  private var shownDeadline: ContinuousClock.Instant?

  private func watch(_ interest: PostgresReactor.Readiness) {
    guard let handle else { return }
    let descriptor = PQsocket(handle.pointer)
    if descriptor == watched, isConnected {
      guard interest != shownInterest || deadline != shownDeadline else { return }
      reactor.update(descriptor, interest: interest, deadline: deadline)
    } else {
      if let watched, watched != descriptor { reactor.unwatch(watched) }
      watched = descriptor
      reactor.watch(descriptor, for: interest, deadline: deadline) { [weak self] readiness in
        self?.assumeIsolated { $0.became(readiness) }
      }
    }
    shownInterest = interest
    shownDeadline = deadline
  }

  private func became(_ readiness: PostgresReactor.Readiness) {
    guard let handle else { return }
    if readiness.contains(.overdue) {
      shownDeadline = nil
      isOverdue = isBusy
      return wake()
    }
    guard isConnected else {
      // One step per readiness: the socket may be replaced by the next PQconnectPoll.
      if let watched { reactor.unwatch(watched) }
      watched = nil
      return wake()
    }
    // Read also when nobody waits: that is how an idle connection learns that its server is gone.
    if readiness.contains(.read), PQconsumeInput(handle.pointer) == 0 {
      return isBusy ? wake() : fail(Self.broke)
    }
    while let notification = PQnotifies(handle.pointer) {
      notifications.append(String(cString: notification.pointee.extra))
      PQfreemem(notification)
    }
    wake()
  }

  private func wake() {
    isWoken = waiter == nil
    waiter?.resume()
    waiter = nil
  }
}
