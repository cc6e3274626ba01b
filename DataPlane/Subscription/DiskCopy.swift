internal import Domain
package import Foundation
internal import HashTreeCollections
internal import NIOPosix
internal import SwiftProtobuf
internal import Wire
internal import WireMapping

/// What a node keeps on disk so that it can start without a control plane: all configuration as of
/// one revision, and the newest switches, which are newer than that.
package struct DiskCopy: Sendable {
  private let configuration: SealedFile
  private let switches: SealedFile
  /// The same once more: a node must not forget a pause for a file that has gone bad.
  private let mirror: SealedFile
  /// Files block; they get a thread of their own.
  private let thread: NIOThreadPool
  /// A switch must not wait while all configuration is written.
  private let switchThread: NIOThreadPool
  private let program: String
  private let place: String

  /// - Parameters:
  ///   - directory: made when it is not there.
  ///   - program: the version that writes.
  ///   - place: see `NodeIdentity.place`.
  package init(directory: String, program: String = "", place: String = "") throws {
    self.program = program
    self.place = place
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    configuration = SealedFile(path: "\(directory)/configuration", format: "bndconf1")
    switches = SealedFile(path: "\(directory)/switches", format: "bndswch1")
    mirror = SealedFile(path: "\(directory)/switches.mirror", format: "bndswch1")
    thread = NIOThreadPool(numberOfThreads: 1)
    thread.start()
    switchThread = NIOThreadPool(numberOfThreads: 1)
    switchThread.start()
  }

  package func close() async throws {
    try await thread.shutdownGracefully()
    try await switchThread.shutdownGracefully()
  }

  /// Runs to its end even when the caller is cancelled: the last write of a node that stops counts.
  private func onThread<Result: Sendable>(
    _ thread: NIOThreadPool,
    _ work: @escaping @Sendable () throws -> Result
  ) async throws -> Result {
    try await withCheckedThrowingContinuation { continuation in
      thread.submit { state in
        guard case .active = state else {
          return continuation.resume(
            throwing: SealedFile.Fault(code: .io, what: "the disk copy is closed")
          )
        }
        continuation.resume(with: .init(catching: work))
      }
    }
  }

  // MARK: - Configuration

  func write(_ image: ConfigImage) async throws {
    guard let cursor = image.cursor else { return }
    try await onThread(thread) {
      try configuration.write(try Self.encode(image, cursor, writtenBy: program, at: place))
    }
  }

  /// A copy as it was found.
  struct Found: Sendable {
    var image: ConfigImage
    /// nil when the disk doesn't tell.
    var writtenAt: Date?
  }

  /// The newest whole copy; nil when there is none. What is wrong with newer ones is told in words.
  func readConfiguration() async throws -> (found: Found?, faults: [String]) {
    try await onThread(thread) {
      let (found, faults) = configuration.read { content, path in
        let attributes = try FileManager.default.attributesOfItem(atPath: path)
        return Found(
          image: try Self.decode(content, readBy: program, at: place),
          writtenAt: attributes[.modificationDate] as? Date
        )
      }
      return (found, faults.map(\.description))
    }
  }

  /// Length-prefixed messages: DiskCopyHeader, then Changes up to the end.
  package static func encode(
    _ image: ConfigImage,
    _ cursor: SubscriptionMachine.Cursor,
    writtenBy program: String,
    at place: String = ""
  ) throws -> Data {
    var content = Data()
    func add(_ bytes: Data) {
      withUnsafeBytes(of: UInt32(bytes.count).littleEndian) { content.append(contentsOf: $0) }
      content.append(bytes)
    }
    var header = Bindery_V1_DiskCopyHeader()
    header.revision = cursor.revision.value
    header.storeIncarnation = TenantID(cursor.incarnation).data
    header.rejected = image.rejections.values.map(\.wire)
    header.writtenBy = program
    header.place = place
    header.orphans = image.orphans.map(\.wire)
    add(try header.serializedBytes())
    var changes = Bindery_V1_Changes()
    var count = 0
    for resource in image.resources {
      changes.put(resource)
      count += 1
      if count % 256 == 0 {
        add(try changes.serializedBytes())
        changes = Bindery_V1_Changes()
      }
    }
    add(try changes.serializedBytes())
    return content
  }

  package static func decode(
    _ content: Data,
    readBy program: String,
    at place: String = ""
  ) throws -> ConfigImage {
    var rest = content[...]
    func next() throws -> Data? {
      if rest.isEmpty { return nil }
      guard rest.count >= 4 else {
        throw SealedFile.Fault(code: .damaged, what: "a length is cut short")
      }
      let length = rest.prefix(4).reversed().reduce(0) { $0 << 8 | Int($1) }
      rest = rest.dropFirst(4)
      guard rest.count >= length else {
        throw SealedFile.Fault(code: .damaged, what: "a message is cut short")
      }
      defer { rest = rest.dropFirst(length) }
      return Data(rest.prefix(length))
    }
    let header = try Bindery_V1_DiskCopyHeader(serializedBytes: try next() ?? Data())
    guard let incarnation = TenantID(bytes: header.storeIncarnation) else {
      throw SealedFile.Fault(code: .damaged, what: "no store incarnation")
    }
    var parts: [ReadChanges] = []
    while let bytes = try next() {
      parts.append(ReadChanges(try Bindery_V1_Changes(serializedBytes: bytes)))
    }
    var builder = ImageBuilder(ConfigImage(), isWhole: true)
    builder.apply(parts)
    var image = builder.image
    image.cursor = .init(incarnation: incarnation.uuid, revision: Revision(header.revision))
    for rejection in header.rejected.compactMap(Rejection.init) {
      image.rejections[rejection.key] = rejection
    }
    for wire in header.orphans {
      let key = try ResourceKey(wire: wire)
      guard image.sections[key] != nil else { continue }
      image.sections[key]?.isOrphan = true
      image.orphans.insert(key)
    }
    // This program may take what the other one refused; what it refused is not in the copy. And what
    // this one can't even read of it would never be sent again.
    image.needsWhole =
      !builder.unreadable.isEmpty || !image.rejections.isEmpty && header.writtenBy != program
    if header.place != place {
      // Candidates are for places: those held may not be for this one, others may lack.
      image.needsWhole = true
      image.dropCandidates()
    }
    return image
  }

  // MARK: - Switches

  /// Writes the switches as they are when their turn comes: an older table never takes the place of a
  /// newer one. Nothing when `newest` is nil.
  ///
  /// - Returns: the change that is on disk now.
  func write(_ newest: @escaping @Sendable () -> NodeState.Unwritten?) async throws -> Int? {
    try await onThread(switchThread) {
      guard let unwritten = newest() else { return nil }
      let content = try JSONEncoder().encode(unwritten.table)
      try mirror.write(content)
      try switches.write(content)
      return unwritten.change
    }
  }

  /// The switches that were acknowledged.
  ///
  /// - Throws: when they can't be read: a node must not forget that a tenant is paused.
  func readSwitches() async throws -> (table: SwitchTable, faults: [String]) {
    try await onThread(switchThread) {
      var faults: [SealedFile.Fault] = []
      for file in [switches, mirror] {
        do throws(SealedFile.Fault) {
          let table = try file.readNewest { content, _ in
            try JSONDecoder().decode(SwitchTable.self, from: content)
          }
          if let table { return (table, faults.map(\.description)) }
        } catch {
          faults.append(error)
        }
      }
      // What stood there before lacks a switch that may have been acknowledged.
      if let fault = faults.first { throw fault }
      return (SwitchTable(), [])
    }
  }
}
