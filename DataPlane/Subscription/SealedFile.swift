internal import Domain
internal import Foundation
internal import Glibc

/// A file that is there whole or not at all: written beside, synced, renamed; its digest stands in
/// front. The one before is kept with the suffix ".previous".
struct SealedFile: Sendable {
  /// Two of them are equal when their codes are.
  struct Fault: Error, Hashable, Sendable, CustomStringConvertible {
    enum Code: String, Hashable, Sendable {
      case io = "FILE_IO"
      /// Another format, cut short, or the digest doesn't fit.
      case damaged = "FILE_DAMAGED"
    }

    var code: Code
    var what: String

    var description: String { "\(code.rawValue): \(what)" }

    static func == (a: Self, b: Self) -> Bool { a.code == b.code }

    func hash(into hasher: inout Hasher) { hasher.combine(code) }
  }

  let path: String
  /// Eight bytes that name the format and its version.
  let magic: [UInt8]

  /// - Parameter format: exactly eight ASCII characters.
  init(path: String, format: StaticString) {
    self.path = path
    magic = format.withUTF8Buffer { Array($0) }
  }

  /// Replaces the content; it lasts when this returns. Blocks.
  func write(_ content: Data) throws(Fault) {
    let temporary = path + ".new"
    let descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw failure("open", temporary) }
    do throws(Fault) {
      try Self.put(descriptor, Data(magic) + Digest(of: content).data, temporary)
      try Self.put(descriptor, content, temporary)
      guard fsync(descriptor) == 0 else { throw failure("fsync", temporary) }
    } catch {
      close(descriptor)
      throw error
    }
    close(descriptor)
    // A hard link keeps the last one under its other name while the rename replaces it.
    unlink(path + ".previous")
    guard link(path, path + ".previous") == 0 || errno == ENOENT else {
      throw failure("link", path)
    }
    guard rename(temporary, path) == 0 else { throw failure("rename", temporary) }
    let directory = open(
      URL(filePath: path).deletingLastPathComponent().path(percentEncoded: false),
      O_RDONLY | O_DIRECTORY | O_CLOEXEC
    )
    guard directory >= 0 else { throw failure("open the directory of", path) }
    defer { close(directory) }
    guard fsync(directory) == 0 else { throw failure("fsync the directory of", path) }
  }

  /// The newest whole content, or the one before, with what was wrong with the newest; nil when there
  /// is none. Blocks.
  func read() -> (content: Data?, faults: [Fault]) {
    var faults: [Fault] = []
    for path in [path, path + ".previous"] {
      guard FileManager.default.fileExists(atPath: path) else { continue }
      do throws(Fault) {
        return (try read(path), faults)
      } catch {
        faults.append(error)
      }
    }
    return (nil, faults)
  }

  private func read(_ path: String) throws(Fault) -> Data {
    let file: Data
    do {
      file = try Data(contentsOf: URL(filePath: path))
    } catch {
      throw Fault(code: .io, what: "read \(path)")
    }
    let header = magic.count + 32
    guard file.count >= header, file.prefix(magic.count).elementsEqual(magic) else {
      throw Fault(code: .damaged, what: "\(path) is of another format or cut short")
    }
    let content = Data(file.dropFirst(header))
    guard file[magic.count ..< header].elementsEqual(Digest(of: content).bytes) else {
      throw Fault(code: .damaged, what: "\(path) is not what its digest says")
    }
    return content
  }

  private static func put(_ descriptor: Int32, _ data: Data, _ path: String) throws(Fault) {
    var rest = data[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { throw Fault(code: .io, what: "write \(path) (errno \(errno))") }
      rest = rest.dropFirst(count)
    }
  }

  private func failure(_ verb: String, _ path: String) -> Fault {
    Fault(code: .io, what: "\(verb) \(path) (errno \(errno))")
  }
}
