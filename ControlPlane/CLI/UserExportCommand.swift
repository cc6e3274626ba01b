internal import ArgumentParser
internal import Foundation
internal import GRPCCore
internal import Wire
internal import WireServices

extension UserCommand {
  struct Export: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Write all that a tenant holds of a person, as one JSON document.",
      discussion: """
        A row a line. The last line tells how many rows there are of each table, and the SHA-256 of all \
        bytes before that line: head -n -1 FILE | sha256sum. A file is written under another name \
        and gets its own when it is whole; it is readable by you only.
        """
    )
    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var person: NamedPerson

    @Option(
      name: .customLong("output-file"),
      help: ArgumentHelp("Where to; without it, standard output.", valueName: "file")
    )
    var file: String?

    @Option(name: .long, help: "Why, for the audit log; must not name the person.")
    var reason: String = ""

    func validate() throws { try person.require() }

    func run() async throws {
      var request = Bindery_V1_ExportUserRequest()
      request.user = person.selector()
      request.reason = reason
      request.author = NSUserName()
      let (message, options) = (request, connection.callOptions)
      let target = try file.map(PartialFile.init)
      do {
        try await connection.withAdmin { admin in
          try await admin.exportUser(message, options: options) { response in
            for try await part in response.messages {
              try (target?.handle ?? .standardOutput).write(contentsOf: part.piece)
            }
          }
        }
        try target?.finish()
      } catch {
        target?.discard()
        throw error
      }
    }
  }
}

/// A file that appears under its name when it is whole.
private struct PartialFile: Sendable {
  let handle: FileHandle
  private let path: String
  private var partial: String { path + ".partial" }

  init(_ path: String) throws {
    self.path = path
    let attributes: [FileAttributeKey: Any] = [.posixPermissions: 0o600]
    guard
      FileManager.default.createFile(
        atPath: path + ".partial",
        contents: nil,
        attributes: attributes
      ), let handle = FileHandle(forWritingAtPath: path + ".partial")
    else {
      Terminal.error("\(path).partial can't be written")
      throw ExitStatus.notWritten
    }
    self.handle = handle
  }

  func finish() throws {
    do {
      try handle.synchronize()
      try handle.close()
      guard rename(partial, path) == 0 else { throw CocoaError(.fileWriteUnknown) }
    } catch {
      discard()
      Terminal.error("\(path) can't be written: \(error.localizedDescription)")
      throw ExitStatus.notWritten
    }
  }

  func discard() { unlink(partial) }
}
