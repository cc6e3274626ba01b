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

  /// The newest content, or the one before, with what was wrong; nil when there is none that is whole.
  /// Blocks.
  ///
  /// - Parameter decode: What it can't make sense of is damaged, though its digest fits.
  func read<Content>(
    _ decode: (_ content: Data, _ path: String) throws -> Content
  ) -> (content: Content?, faults: [Fault]) {
    var faults: [Fault] = []
    for path in [path, path + ".previous"] {
      switch Self.result({ try self.content(of: path, decode) }) {
      case .success(let content?): return (content, faults)
      case .success(nil): continue
      case .failure(let fault): faults.append(fault)
      }
    }
    return (nil, faults)
  }

  /// The newest content only; nil when there is none.
  ///
  /// - Throws: when it is not whole.
  func readNewest<Content>(
    _ decode: (_ content: Data, _ path: String) throws -> Content
  ) throws(Fault) -> Content? {
    try Self.result { try content(of: path, decode) }.get()
  }

  private func content<Content>(
    of path: String,
    _ decode: (_ content: Data, _ path: String) throws -> Content
  ) throws -> Content? {
    guard let content = try read(path) else { return nil }
    do {
      return try decode(content, path)
    } catch {
      throw Fault(code: .damaged, what: "\(path) can't be decoded: \(error)")
    }
  }

  private static func result<Value>(_ body: () throws -> Value) -> Result<Value, Fault> {
    do {
      return .success(try body())
    } catch let fault as Fault {
      return .failure(fault)
    } catch {
      return .failure(Fault(code: .io, what: "\(error)"))
    }
  }

  /// nil when there is no such file.
  private func read(_ path: String) throws(Fault) -> Data? {
    let file: Data
    do {
      file = try Data(contentsOf: URL(filePath: path))
    } catch let error as CocoaError where error.code == .fileReadNoSuchFile {
      return nil
    } catch {
      throw Fault(code: .io, what: "read \(path): \(error.localizedDescription)")
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
