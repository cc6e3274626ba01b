internal import Foundation
internal import SwiftProtobuf
internal import Wire

/// A watch that stays: what it was sent says how few bytes would have done.
final class ReferenceWatch {
  private let call: LightCall
  private var bindings: [Data: Bindery_V1_Binding] = [:]
  private var sections: [Data: Int] = [:]
  /// Since `begin`: the size of the newest form of each resource, by kind and key.
  private var changed: [String: Int] = [:]
  private(set) var changedBindings: Set<Data> = []
  private(set) var bytes = 0
  private(set) var revision: Int64 = 0
  private(set) var incarnation = Data()
  private var isWhole = false

  /// Connects and takes the snapshot.
  init(port: Int) throws {
    call = try LightCall(port: port, path: "/bindery.v1.Distribution/Watch")
    call.onMessage = { [unowned self] in try take($0) }
    var request = Bindery_V1_WatchRequest()
    request.hello.nodeID = "bench-reference"
    request.hello.region = "bench"
    request.hello.mode = .eager
    try call.send(request.serializedBytes())
    try read { isWhole }
  }

  /// Forgets what was changed so far.
  func begin() {
    changed = [:]
    changedBindings = []
    bytes = 0
  }

  /// Reads until it stands at a revision.
  func follow(to wanted: Int64) throws { try read { revision >= wanted } }

  /// Each changed resource once, in its newest form.
  var minimalBytes: Int { changed.values.reduce(0, +) }

  /// What the changed bindings would take if each were sent with all that it is made of.
  var wholeBytes: Int {
    changedBindings.reduce(0) { sum, id in
      guard let binding = bindings[id] else { return sum }
      return sum + Self.size(binding)
        + binding.sectionDigests.reduce(0) { $0 + (sections[$1] ?? 0) }
    }
  }

  private func read(until isDone: () -> Bool) throws {
    let scratch = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 * 1024, alignment: 16)
    defer { scratch.deallocate() }
    while !isDone() {
      var waiting = pollfd(fd: call.descriptor, events: Int16(POLLIN), revents: 0)
      guard poll(&waiting, 1, 60_000) > 0 else { throw BenchFailure("nothing came for 60 s") }
      bytes += try call.readable(scratch)
    }
  }

  private func take(_ message: UnsafeRawBufferPointer) throws {
    switch try Bindery_V1_WatchResponse(serializedBytes: Array(message)).message {
    case .snapshotBegin(let begin): incarnation = begin.storeIncarnation
    case .snapshotChunk(let chunk): note(chunk)
    case .snapshotEnd(let end):
      revision = end.revision
      isWhole = true
    case .deltaChunk(let chunk): note(chunk)
    case .delta(let delta):
      note(delta.changes)
      revision = delta.revision
    default: break
    }
  }

  private func note(_ changes: Bindery_V1_Changes) {
    for it in changes.tenants { changed["t\(it.tenantID.base64EncodedString())"] = Self.size(it) }
    for it in changes.routes { changed["r\(it.channel)/\(it.key)"] = Self.size(it) }
    for it in changes.channelAccounts { changed["c\(it.channel)/\(it.slug)"] = Self.size(it) }
    for it in changes.sections {
      sections[it.digest] = Self.size(it)
      changed["s\(it.digest.base64EncodedString())"] = Self.size(it)
    }
    for it in changes.bindings {
      bindings[it.bindingID] = it
      changedBindings.insert(it.bindingID)
      changed["b\(it.bindingID.base64EncodedString())"] = Self.size(it)
    }
    for it in changes.removed {
      // A section that came and went in between need not be told of at all.
      let key = "s\(it.key)"
      changed[key] = Self.size(it)
    }
  }

  private static func size(_ message: some SwiftProtobuf.Message) -> Int {
    do {
      return try message.serializedData().count
    } catch {
      preconditionFailure("what was read can be written: \(error)")
    }
  }
}
