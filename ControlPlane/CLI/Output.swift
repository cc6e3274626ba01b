internal import ArgumentParser
internal import Domain
internal import Foundation

/// For people or for machines.
enum OutputFormat: String, ExpressibleByArgument, CaseIterable {
  case table
  case json
}

/// Standard output and standard error.
enum Terminal {
  static func print(_ line: String) {
    write(line + "\n")
  }

  static func write(_ text: String) {
    do {
      try FileHandle.standardOutput.write(contentsOf: Data(text.utf8))
    } catch {
      // Who read has gone, as `head` does: nothing is left to tell. As if SIGPIPE had ended it.
      exit(141)
    }
  }

  static func note(_ line: String) {
    FileHandle.standardError.write(Data((line + "\n").utf8))
  }

  static func error(_ line: String) {
    note("bindery: \(line)")
  }

  static func printJSON(_ value: JSONValue) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    print(String(decoding: try encoder.encode(value), as: UTF8.self))
  }

  /// True when a person sits at both ends.
  static var isInteractive: Bool { isatty(0) == 1 && isatty(1) == 1 }
}

extension JSONValue {
  /// Parses JSON that the control plane sent; text that is no JSON stays text.
  static func parsed(_ text: String) -> JSONValue {
    guard !text.isEmpty else { return .null }
    do {
      return try JSONDecoder().decode(JSONValue.self, from: Data(text.utf8))
    } catch {
      return .string(text)
    }
  }

  /// On one line, for tables.
  var compactText: String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    do {
      return String(decoding: try encoder.encode(self), as: UTF8.self)
    } catch {
      return String(describing: self)
    }
  }
}
