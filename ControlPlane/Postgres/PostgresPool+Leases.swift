internal import Logging
internal import Synchronization

/// Lending connections and taking them back.
extension PostgresPool {
  func acquire() async throws -> PostgresWire {
    let deadline = ContinuousClock.now + configuration.acquireTimeout
    while true {
      switch try await grant(until: deadline) {
      case .open:
        return try await open(until: deadline)
      case .lend(let wire):
        guard wire.condition == .idle else {
          await drop(wire)
          continue
        }
        return wire
      }
    }
  }

  func give(back wire: PostgresWire, of connection: PostgresConnection) async {
    connection.end()
    switch wire.condition {
    case .idle:
      let (handover, isKept) = state.withLock { $0.machine.release(wire) }
      if let handover { handover.waiter.resume(returning: handover.grant) }
      if !isKept {
        await wire.close()
        tellIfDrained()
      }
    case .occupied:
      logger.warning("closing a database connection that came back within a transaction")
      await drop(wire)
    case .broken:
      await drop(wire)
    }
  }

  private func drop(_ wire: PostgresWire) async {
    await wire.close()
    vacate()
  }

  private func vacate() {
    let handover = state.withLock { $0.machine.vacate() }
    if let handover { handover.waiter.resume(returning: handover.grant) }
    tellIfDrained()
  }

  private func tellIfDrained() {
    let drained = state.withLock { state in
      guard state.machine.isClosed, state.machine.members == 0 else {
        return [CheckedContinuation<Void, Never>]()
      }
      defer { state.drained = [] }
      return state.drained
    }
    for continuation in drained { continuation.resume() }
  }

  // MARK: - Waiting

  private func grant(
    until deadline: ContinuousClock.Instant
  ) async throws -> PoolGrant<PostgresWire> {
    if Task.isCancelled { throw PostgresError(.cancelled, "cancelled before it got a connection") }
    let (grant, ticket) = state.withLock { ($0.machine.acquire(), $0.machine.newTicket()) }
    if let grant { return grant }
    defer { state.withLock { $0.machine.forget(ticket) } }
    return try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { waiter in
        park(waiter, ticket: ticket, deadline: deadline)
      }
    } onCancel: {
      let waiter = state.withLock { $0.machine.cancel(ticket) }
      waiter?.resume(
        throwing: PostgresError(.cancelled, "cancelled while waiting for a connection")
      )
    }
  }

  private func park(_ waiter: Waiter, ticket: Int, deadline: ContinuousClock.Instant) {
    let (outcome, failure) = state.withLock { state in
      let outcome = state.machine.acquire(orPark: waiter, ticket: ticket, deadline: deadline)
      return (outcome, state.lastFailure)
    }
    switch outcome {
    case .parked: setTimer()
    case .granted(let grant): waiter.resume(returning: grant)
    case .cancelled:
      waiter.resume(
        throwing: PostgresError(.cancelled, "cancelled while waiting for a connection")
      )
    case .closed: waiter.resume(throwing: Self.isShutDown)
    case .full:
      waiter.resume(
        throwing: failure
          ?? PostgresError(
            .poolExhausted,
            "all \(configuration.maxConnections) connections are in use and "
              + "\(configuration.maxWaiters) callers wait already"
          )
      )
    }
  }

  /// One timer at a time, for the wait that ends first.
  private func setTimer() {
    let deadline = state.withLock { state -> ContinuousClock.Instant? in
      guard !state.isTimerSet, let deadline = state.machine.nextDeadline else { return nil }
      state.isTimerSet = true
      return deadline
    }
    guard let deadline else { return }
    reactor.schedule(at: deadline) { [weak self] in self?.expire() }
  }

  private func expire() {
    let (expired, failure) = state.withLock { state in
      state.isTimerSet = false
      return (state.machine.expire(now: .now), state.lastFailure)
    }
    let error =
      failure
      ?? PostgresError(
        .timeout,
        "all \(configuration.maxConnections) connections were in use for "
          + "\(configuration.acquireTimeout)"
      )
    for waiter in expired { waiter.resume(throwing: error) }
    setTimer()
  }

  // MARK: - Opening

  private func open(until deadline: ContinuousClock.Instant) async throws -> PostgresWire {
    do {
      let wire = try await connect(until: deadline)
      guard !isClosed else {
        await wire.close()
        throw Self.isShutDown
      }
      return wire
    } catch {
      vacate()
      throw error
    }
  }

  /// Tries to connect until the deadline, with back-off; throws what the last attempt threw, and at
  /// once when the server refuses the login.
  func connect(until deadline: ContinuousClock.Instant) async throws -> PostgresWire {
    let parameters = try ConnectionParameters(configuration)
    var failure: PostgresError?
    while true {
      let now = ContinuousClock.now
      let delay = state.withLock { $0.backoff.delay(now: now) }
      guard now + delay < deadline else {
        throw failure ?? state.withLock { $0.lastFailure }
          ?? PostgresError(.timeout, "no connection to the database in time")
      }
      guard !isClosed else { throw Self.isShutDown }
      do {
        if delay > .zero { try await Task.sleep(for: delay) }
      } catch {
        throw PostgresError(.cancelled, "cancelled while waiting to reconnect")
      }
      do {
        let wire = try await PostgresWire.open(parameters, deadline: deadline, reactor: reactor)
        let isBack = state.withLock { state in
          defer { state.lastFailure = nil }
          state.backoff.succeeded()
          return state.lastFailure != nil
        }
        if isBack { logger.notice("connected to the database again") }
        return wire
      } catch let error as PostgresError where error.kind != .cancelled {
        failure = error
        let isFirst = state.withLock { state in
          defer { state.lastFailure = error }
          state.backoff.failed(now: .now, spread: .random(in: 0 ... 1))
          return state.lastFailure == nil
        }
        if isFirst {
          logger.warning("can't connect to the database", metadata: ["error": "\(error)"])
        }
        // A login that the server refuses is not tried again for this caller.
        if error.kind == .server { throw error }
      }
    }
  }
}
