internal import Foundation
internal import Glibc

/// The name of a spool: a new directory gets a new one, and with it its own line of sequences.
enum Incarnation {
  /// Reads the name, or makes one that lasts.
  static func load(_ directory: String) throws -> UUID {
    let path = "\(directory)/incarnation"
    do {
      try FileManager.default.createDirectory(
        atPath: directory,
        withIntermediateDirectories: true
      )
    } catch {
      throw SpoolError(.unusable, "make directory \(directory)")
    }
    if FileManager.default.fileExists(atPath: path) {
      let text = String(decoding: try PosixFile.read(path), as: UTF8.self)
      guard let uuid = UUID(uuidString: text.trimmingCharacters(in: .whitespacesAndNewlines)) else {
        throw SpoolError(.unusable, "\(path) holds no UUID; remove the directory to start anew")
      }
      return uuid
    }
    let uuid = UUID()
    let temporary = path + ".new"
    let descriptor = try PosixFile.open(temporary, O_WRONLY | O_CREAT | O_TRUNC)
    defer { close(descriptor) }
    try PosixFile.write(descriptor, Array((uuid.uuidString.lowercased() + "\n").utf8))
    try PosixFile.sync(descriptor)
    guard rename(temporary, path) == 0 else {
      throw SpoolError(.unusable, "rename \(temporary)", errno: errno)
    }
    try PosixFile.syncDirectory(directory)
    return uuid
  }
}
