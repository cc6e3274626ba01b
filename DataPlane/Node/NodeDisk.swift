internal import Domain
internal import Foundation
internal import Logging
internal import Observability
internal import Spool
internal import Subscription
internal import Turn
internal import Wire

/// All that a node keeps on disk, opened.
struct NodeDisk: Sendable {
  let cache: ConfigCache
  let spool: Spool
  let inbox: Inbox
  let visitorKey: [UInt8]
  private let copy: DiskCopy
  private let logger: Logger

  /// - Throws: `ProgramFailure` with status `unusable`.
  static func open(
    _ directory: String,
    place: String,
    logger: Logger
  ) async throws -> NodeDisk {
    do {
      try FileManager.default.createDirectory(
        atPath: directory,
        withIntermediateDirectories: true
      )
      let copy = try DiskCopy(
        directory: "\(directory)/configuration",
        program: NodeDaemon.version,
        place: place
      )
      return NodeDisk(
        cache: try await ConfigCache(copy: copy, logger: logger),
        spool: try await Spool(.init(directory: "\(directory)/spool"), logger: logger),
        inbox: try await Inbox(.init(directory: "\(directory)/inbox"), logger: logger),
        visitorKey: try VisitorKey.load(directory: directory),
        copy: copy,
        logger: logger
      )
    } catch let failure as ProgramFailure {
      throw failure
    } catch {
      throw ProgramFailure(
        .unusable,
        "the data folder \(directory) can't be used: \(error); is another node using it?"
      )
    }
  }

  private init(
    cache: ConfigCache,
    spool: Spool,
    inbox: Inbox,
    visitorKey: [UInt8],
    copy: DiskCopy,
    logger: Logger
  ) {
    self.cache = cache
    self.spool = spool
    self.inbox = inbox
    self.visitorKey = visitorKey
    self.copy = copy
    self.logger = logger
  }

  /// Inputs that an earlier run answered, by the records that it left in the spool.
  func recallAnswers(into memory: ConversationMemory) async throws {
    var after: UInt64 = 0
    while true {
      let records = try await spool.pending(after: after, limit: 256, grace: .zero)
      guard let last = records.last else { return }
      for (_, record) in records {
        for input in record.inputs { memory.noteAnswered(input.inputID) }
      }
      after = last.sequence
    }
  }

  func close() async {
    do {
      try await spool.close()
      try await inbox.close()
      try await copy.close()
    } catch {
      logger.error("the data folder was not closed cleanly", metadata: ["why": "\(error)"])
    }
  }
}
