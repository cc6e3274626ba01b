internal import Glibc

/// The few file calls that durability needs, with errors that name the file.
enum PosixFile {
  static func open(_ path: String, _ flags: Int32) throws(SpoolError) -> Int32 {
    let descriptor = Glibc.open(path, flags | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw SpoolError(.unusable, "open \(path)", errno: errno) }
    return descriptor
  }

  /// Reads a file whole.
  static func read(_ path: String) throws(SpoolError) -> [UInt8] {
    let descriptor = try open(path, O_RDONLY)
    defer { Glibc.close(descriptor) }
    var content: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 256 * 1024)
    while true {
      let count = Glibc.read(descriptor, &buffer, buffer.count)
      if count == 0 { return content }
      if count < 0 {
        if errno == EINTR { continue }
        throw SpoolError(.unusable, "read \(path)", errno: errno)
      }
      content += buffer[..<count]
    }
  }

  static func read(_ descriptor: Int32, at offset: Int, count: Int) throws(SpoolError) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    var done = 0
    while done < count {
      let got = bytes.withUnsafeMutableBytes { buffer in
        pread(descriptor, buffer.baseAddress?.advanced(by: done), count - done, offset + done)
      }
      if got < 0, errno == EINTR { continue }
      guard got > 0 else { throw SpoolError(.broken, "read a record", errno: got < 0 ? errno : 0) }
      done += got
    }
    return bytes
  }

  static func write(_ descriptor: Int32, _ bytes: [UInt8]) throws(SpoolError) {
    var done = 0
    while done < bytes.count {
      let put = bytes.withUnsafeBytes { buffer in
        Glibc.write(descriptor, buffer.baseAddress?.advanced(by: done), bytes.count - done)
      }
      if put < 0, errno == EINTR { continue }
      guard put > 0 else { throw SpoolError(.broken, "write", errno: errno) }
      done += put
    }
  }

  static func sync(_ descriptor: Int32) throws(SpoolError) {
    guard fdatasync(descriptor) == 0 else { throw SpoolError(.broken, "fsync", errno: errno) }
  }

  /// Makes a new or removed name in the directory last.
  static func syncDirectory(_ path: String) throws(SpoolError) {
    let descriptor = try open(path, O_RDONLY | O_DIRECTORY)
    defer { Glibc.close(descriptor) }
    guard fsync(descriptor) == 0 else { throw SpoolError(.broken, "fsync \(path)", errno: errno) }
  }
}
