internal import Foundation

/// What the kernel says that a process has used (proc(5)).
enum ProcessUsage {
  /// CPU time in user and kernel mode so far, in seconds; the kernel counts in 1/100 s.
  static func cpuSeconds(of process: Int32) throws -> Double {
    let text = try read("/proc/\(process)/stat")
    // The program's name, in parentheses, may hold spaces; utime and stime are fields 14 and 15.
    guard let name = text.lastIndex(of: ")") else { throw BenchFailure("/proc: no name") }
    let fields = text[text.index(after: name)...].split(separator: " ")
    guard fields.count > 12, let user = Double(fields[11]), let system = Double(fields[12]) else {
      throw BenchFailure("/proc: too few fields")
    }
    return (user + system) / Double(sysconf(Int32(_SC_CLK_TCK)))
  }

  /// Resident memory in KiB (VmRSS).
  static func residentKiB(of process: Int32) throws -> Double {
    try status("VmRSS", of: process)
  }

  /// The most resident memory so far in KiB (VmHWM).
  static func peakResidentKiB(of process: Int32) throws -> Double {
    try status("VmHWM", of: process)
  }

  private static func status(_ name: String, of process: Int32) throws -> Double {
    for line in try read("/proc/\(process)/status").split(separator: "\n")
    where line.hasPrefix("\(name):") {
      let words = line.split(whereSeparator: \.isWhitespace)
      if words.count == 3, let value = Double(words[1]) { return value }
    }
    throw BenchFailure("/proc/\(process)/status has no \(name)")
  }

  private static func read(_ path: String) throws -> String {
    guard let data = FileManager.default.contents(atPath: path) else {
      throw BenchFailure("\(path): the process is gone")
    }
    return String(decoding: data, as: UTF8.self)
  }
}
