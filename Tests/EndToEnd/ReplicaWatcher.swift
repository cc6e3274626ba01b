import Foundation
import GRPCCore
import Scenario
import Synchronization
import Transport
import Wire
import WireServices

/// A watcher that checks its line: every change starts where the one before it ended, and revisions only
/// rise. It resumes at any replica, and keeps what a node would.
final class ReplicaWatcher: Sendable {
  struct State {
    var incarnation = Data()
    var revision: Int64 = 0
    /// By a key of its own; the bytes of each resource.
    var bindings: [Data: Bindery_V1_Binding] = [:]
    var sections: Set<Data> = []
    var routes: [String: Data] = [:]
    var tenants: [Data: Bindery_V1_Tenant] = [:]
    var parts: [Bindery_V1_Changes] = []
    var snapshots = 0
    var resumes = 0
    var deltas = 0
    var faults: [String] = []
  }

  let name: String
  private let state = Mutex(State())

  init(_ name: String) { self.name = name }

  var seen: State { state.withLock { $0 } }

  /// Watches until cancelled, at one of the replicas after the other, this one first.
  func run(_ set: ReplicaSet, from first: Int) async throws {
    var replica = first
    while !Task.isCancelled {
      do {
        let at = replica % set.count
        try await set.withClient(of: [at]) { try await self.watch($0) }
      } catch is CancellationError {
        return
      } catch {
        // The replica is gone, or going.
      }
      if Task.isCancelled { return }
      try await Task.sleep(for: .milliseconds(20))
      replica += 1
    }
  }

  private func watch(_ client: GRPCClient<HTTP2ClientTransport>) async throws {
    let (requests, sender) = AsyncStream.makeStream(of: Bindery_V1_WatchRequest.self)
    sender.yield(hello())
    let request = StreamingClientRequest<Bindery_V1_WatchRequest> { writer in
      for await message in requests { try await writer.write(message) }
    }
    defer { sender.finish() }
    try await Bindery_V1_Distribution.Client(wrapping: client).watch(request: request) { response in
      for try await message in response.messages {
        guard let ack = self.take(message) else { continue }
        sender.yield(ack)
      }
    }
  }

  private func hello() -> Bindery_V1_WatchRequest {
    state.withLock { state in
      state.parts = []
      var request = Bindery_V1_WatchRequest()
      request.hello.nodeID = name
      request.hello.region = "test"
      request.hello.mode = .eager
      request.hello.resumeRevision = state.revision
      request.hello.storeIncarnation = state.incarnation
      return request
    }
  }

  /// - Returns: an acknowledgement of what was applied.
  private func take(_ response: Bindery_V1_WatchResponse) -> Bindery_V1_WatchRequest? {
    state.withLock { state in
      switch response.message {
      case .resumed(let resumed):
        state.resumes += 1
        if resumed.from != state.revision || resumed.storeIncarnation != state.incarnation {
          state.faults.append("resumed from \(resumed.from), at \(state.revision)")
        }
      case .cursorExpired: state.faults.append("cursor expired at \(state.revision)")
      case .snapshotBegin(let begin):
        state.incarnation = begin.storeIncarnation
        state.parts = []
      case .snapshotChunk(let chunk): state.parts.append(chunk)
      case .snapshotEnd(let end):
        state.snapshots += 1
        (state.bindings, state.sections, state.routes, state.tenants) = ([:], [], [:], [:])
        Self.apply(state.parts, to: &state)
        state.revision = end.revision
        return ack(&state)
      case .deltaChunk(let chunk): state.parts.append(chunk)
      case .delta(let delta):
        state.deltas += 1
        if delta.fromRevision != state.revision || delta.revision <= delta.fromRevision {
          state.faults.append(
            "from \(delta.fromRevision) to \(delta.revision), at \(state.revision)"
          )
        }
        Self.apply(state.parts + [delta.changes], to: &state)
        state.revision = delta.revision
        return ack(&state)
      default: break
      }
      return nil
    }
  }

  private func ack(_ state: inout State) -> Bindery_V1_WatchRequest {
    state.parts = []
    var request = Bindery_V1_WatchRequest()
    request.ack.revision = state.revision
    request.ack.applied = true
    return request
  }

  private static func apply(_ parts: [Bindery_V1_Changes], to state: inout State) {
    for changes in parts {
      for it in changes.sections { state.sections.insert(it.digest) }
      for it in changes.bindings { state.bindings[it.bindingID] = it }
      for it in changes.routes { state.routes["\(it.channel)/\(it.key)"] = it.bindingID }
      for it in changes.tenants { state.tenants[it.tenantID] = it }
      for key in changes.removed {
        switch key.kind {
        case .route: state.routes[key.key] = nil
        case .section:
          let digest = key.key.split(separator: "/").last.map(String.init) ?? ""
          state.sections = state.sections.filter { $0.hex != digest }
        case .binding: state.bindings = state.bindings.filter { $0.key.uuidText != key.key }
        default: break
        }
      }
    }
  }
}

extension Data {
  var hex: String { map { String(format: "%02x", $0) }.joined() }

  /// As PostgreSQL writes it.
  var uuidText: String {
    let text = hex
    guard text.count == 32 else { return text }
    var parts: [Substring] = []
    var rest = text[...]
    for length in [8, 4, 4, 4, 12] {
      parts.append(rest.prefix(length))
      rest = rest.dropFirst(length)
    }
    return parts.joined(separator: "-")
  }
}
