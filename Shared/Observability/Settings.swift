internal import Configuration
internal import Foundation
internal import Yams

/// A program's settings: flags over environment over file.
///
/// A setting `data-dir` is the flag `--data-dir`, the variable `BINDERY_DATA_DIR` and the key
/// `data-dir` of the YAML file. Lists are repeated flags, a comma-separated variable, or a YAML list.
package struct Settings: Sendable {
  private let reader: ConfigReader

  /// - Parameters:
  ///   - flags: Values given on the command line, by setting.
  ///   - file: Path of a YAML file with one level of keys, or nil.
  ///   - known: All settings of the program; a key of the file that isn't among them is an error.
  /// - Throws: `ProgramFailure` with status `usage`.
  package init(
    flags: [String: [String]],
    file: String?,
    known: [String],
    environment: [String: String] = ProcessInfo.processInfo.environment
  ) throws {
    var values: [AbsoluteConfigKey: ConfigValue] = [:]
    for (name, list) in flags {
      guard let first = list.first else { continue }
      values[AbsoluteConfigKey([name])] = ConfigValue(
        list.count == 1 ? .string(first) : .stringArray(list),
        isSecret: false
      )
    }
    var providers: [any ConfigProvider] = [
      InMemoryProvider(name: "flags", values: values),
      EnvironmentVariablesProvider(environmentVariables: environment).prefixKeys(with: "bindery"),
    ]
    if let file {
      providers.append(
        InMemoryProvider(name: "file", values: try Self.load(file: file, known: Set(known)))
      )
    }
    reader = ConfigReader(providers: providers)
  }

  package func string(_ name: String) -> String? {
    reader.string(forKey: ConfigKey([name]))
  }

  /// - Throws: `ProgramFailure` when the value is no whole number of the range.
  package func int(_ name: String, in range: ClosedRange<Int>) throws -> Int? {
    guard let text = string(name) else { return nil }
    guard let value = Int(text), range.contains(value) else {
      throw ProgramFailure(
        .usage,
        "\(name) is '\(text)'; it must be a whole number from \(range.lowerBound) to \(range.upperBound)"
      )
    }
    return value
  }

  package func list(_ name: String) -> [String] {
    if let list = reader.stringArray(forKey: ConfigKey([name])) { return list }
    return string(name).map { [$0] } ?? []
  }

  private static func load(
    file: String,
    known: Set<String>
  ) throws -> [AbsoluteConfigKey: ConfigValue] {
    let node: Node?
    do {
      node = try Yams.compose(yaml: String(contentsOfFile: file, encoding: .utf8))
    } catch {
      throw ProgramFailure(.usage, "the configuration file \(file) can't be read: \(error)")
    }
    guard let node else { return [:] }
    guard let mapping = node.mapping else {
      throw ProgramFailure(.usage, "the configuration file \(file) must hold keys and values")
    }
    var values: [AbsoluteConfigKey: ConfigValue] = [:]
    for (keyNode, valueNode) in mapping {
      let key = keyNode.string ?? ""
      let line = keyNode.mark?.line ?? 0
      guard known.contains(key) else {
        throw ProgramFailure(
          .usage,
          "\(file):\(line): unknown key '\(key)'\(suggestion(for: key, among: known))"
        )
      }
      let content: ConfigContent
      if let text = valueNode.scalar?.string {
        content = .string(text)
      } else if let list = valueNode.sequence?.compactMap({ $0.scalar?.string }) {
        content = .stringArray(list)
      } else {
        throw ProgramFailure(
          .usage,
          "\(file):\(line): '\(key)' must be a value or a list of values"
        )
      }
      values[AbsoluteConfigKey([key])] = ConfigValue(content, isSecret: false)
    }
    return values
  }

  private static func suggestion(for key: String, among known: Set<String>) -> String {
    let nearest = known.map { ($0, distance(key, $0)) }.min { ($0.1, $0.0) < ($1.1, $1.0) }
    guard let nearest, nearest.1 <= max(2, key.count / 3) else {
      return "; known are \(known.sorted().joined(separator: ", "))"
    }
    return "; did you mean '\(nearest.0)'?"
  }

  /// Levenshtein's edit distance.
  private static func distance(_ a: String, _ b: String) -> Int {
    let b = Array(b)
    var row = Array(0 ... b.count)
    for (i, x) in a.enumerated() {
      var diagonal = row[0]
      row[0] = i + 1
      for (j, y) in b.enumerated() {
        let substituted = diagonal + (x == y ? 0 : 1)
        diagonal = row[j + 1]
        row[j + 1] = min(substituted, row[j] + 1, row[j + 1] + 1)
      }
    }
    return row[b.count]
  }
}
