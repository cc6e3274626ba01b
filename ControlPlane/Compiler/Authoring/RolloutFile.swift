package import Domain
internal import Foundation

/// How a rollout is to go, as people write it: a file, or steps on a command line.
package enum RolloutFile {
  /// What is wrong, with the file and line where there is one.
  package struct Problem: Error, Hashable, Sendable, CustomStringConvertible {
    package var description: String

    init(_ description: String) { self.description = description }
  }

  /// Reads a file with `steps`, `gates` and `node_timeout`. What the values mean together is checked by
  /// `RolloutStrategy.problems`.
  package static func load(_ path: String) throws(Problem) -> RolloutStrategy {
    guard let data = FileManager.default.contents(atPath: path),
      let text = String(validating: data, as: UTF8.self), data.count <= 1 << 20
    else { throw Problem("\(path): can't be read, is no UTF-8, or has more than 1 MiB") }
    let (documents, problems) = YAMLDocument.parse(text)
    if let problem = problems.first {
      throw Problem("\(path):\(problem.line): \(problem.message); \(problem.hint)")
    }
    guard documents.count == 1, let document = documents.first else {
      throw Problem("\(path): holds \(documents.count) documents; write one with 'steps'")
    }
    return try Reader(document: document, path: path).strategy()
  }

  /// Reads "10% for 10m in in-south,in-north where canary=yes"; without "for" the last step of all
  /// holds no time, and "for ever" until somebody promotes it.
  package static func step(_ text: String) throws(Problem) -> RolloutStep {
    var words = text.split(separator: " ").map(String.init)[...]
    guard let first = words.popFirst(), let points = basisPoints(first) else {
      throw Problem("'\(text)' must begin with a part, e.g. '10% for 10m'")
    }
    var step = RolloutStep(basisPoints: points, holdMS: 0)
    while let word = words.popFirst() {
      guard let value = words.popFirst() else {
        throw Problem("'\(text)' lacks what comes after \(word)")
      }
      switch word {
      case "for":
        if value == "ever" {
          step.holdMS = nil
        } else if let span = milliseconds(value) {
          step.holdMS = span
        } else {
          throw Problem("'\(value)' is no time; write 90s, 10m, 2h, 1d or ever")
        }
      case "in": step.audience.regions = Set(value.split(separator: ",").map(String.init))
      case "where":
        for pair in value.split(separator: ",") {
          let parts = pair.split(separator: "=", maxSplits: 1).map(String.init)
          guard parts.count == 2 else { throw Problem("'\(pair)' is no label; write KEY=VALUE") }
          step.audience.labels[parts[0]] = parts[1]
        }
      default:
        throw Problem(
          "'\(word)' is not known; write PERCENT [for TIME] [in REGIONS] [where LABELS]"
        )
      }
    }
    return step
  }

  /// "12.5%" or "12.5" in hundredths of a percent; nil when it is none, or finer.
  package static func basisPoints(_ text: String) -> Int? {
    let number = text.hasSuffix("%") ? text.dropLast() : text[...]
    let parts = number.split(separator: ".", omittingEmptySubsequences: false)
    guard (1 ... 2).contains(parts.count),
      parts.allSatisfy({ !$0.isEmpty && $0.utf8.count <= 6 && $0.utf8.allSatisfy(isDigit) }),
      let whole = Int(parts[0])
    else { return nil }
    guard parts.count == 2 else { return whole * 100 }
    guard parts[1].utf8.count <= 2, let rest = Int(parts[1] + (parts[1].utf8.count == 1 ? "0" : ""))
    else { return nil }
    return whole * 100 + rest
  }

  /// "500ms", "90s", "10m", "2h", "1d".
  package static func milliseconds(_ text: String) -> Int64? {
    let digits = text.prefix { $0.isASCII && $0.isNumber }
    let units: [Substring: Int64] = [
      "ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000,
    ]
    guard (1 ... 9).contains(digits.count), let number = Int64(digits),
      let unit = units[text.dropFirst(digits.count)]
    else { return nil }
    return number * unit
  }

  private static func isDigit(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "0") ... UInt8(ascii: "9")).contains(byte)
  }

  private struct Reader {
    let document: YAMLDocument
    let path: String

    func problem(_ pointer: String, _ text: String) -> Problem {
      let line = YAMLDocument.line(of: pointer, in: document.lines) ?? document.line
      return Problem("\(path):\(line): \(text)")
    }

    func strategy() throws(Problem) -> RolloutStrategy {
      let root = document.value
      try check(root, at: "", known: ["steps", "gates", "node_timeout"])
      guard let steps = root["steps"]?.arrayValue else {
        throw problem("/steps", "'steps' must be a list, e.g. - {percent: 10, hold: 10m}")
      }
      var strategy = RolloutStrategy(steps: [])
      for (index, value) in steps.enumerated() {
        strategy.steps.append(
          try step(value, at: "/steps/\(index)", isLast: index == steps.count - 1)
        )
      }
      if let gates = root["gates"] { strategy.gates = try self.gates(gates) }
      if let value = root["node_timeout"] {
        strategy.nodeTimeoutMS = try span(value, at: "/node_timeout")
      }
      return strategy
    }

    private func step(
      _ value: JSONValue,
      at pointer: String,
      isLast: Bool
    ) throws(Problem) -> RolloutStep {
      try check(value, at: pointer, known: ["percent", "regions", "labels", "hold"])
      guard let percent = value["percent"] else {
        throw problem(pointer, "a step needs 'percent'")
      }
      var step = RolloutStep(basisPoints: try points(percent, at: pointer + "/percent"), holdMS: 0)
      if let regions = value["regions"] {
        guard let list = regions.arrayValue?.map({ text($0) }), !list.contains(nil) else {
          throw problem(pointer + "/regions", "'regions' must be a list of names")
        }
        step.audience.regions = Set(list.compactMap(\.self))
      }
      if let labels = value["labels"] {
        guard case .object(let members) = labels else {
          throw problem(pointer + "/labels", "'labels' must be a mapping")
        }
        for (key, label) in members {
          guard let label = text(label) else {
            throw problem(pointer + "/labels", "the label '\(key)' must be a text; quote it")
          }
          step.audience.labels[key] = label
        }
      }
      if let hold = value["hold"] {
        step.holdMS =
          hold.stringValue == "ever" ? nil : try span(hold, at: pointer + "/hold")
      } else if !isLast {
        throw problem(
          pointer,
          "a step needs 'hold': how long until the next; 'ever' waits for a promote"
        )
      }
      return step
    }

    private func gates(_ value: JSONValue) throws(Problem) -> RolloutGates {
      try check(
        value,
        at: "/gates",
        known: ["min_turns", "errors", "blocks", "latency", "cost", "timeout", "on_timeout"]
      )
      var gates = RolloutGates()
      if let turns = value["min_turns"] {
        guard let count = turns.intValue else {
          throw problem("/gates/min_turns", "'min_turns' must be a whole number")
        }
        gates.minTurns = count
      }
      func limit(_ name: String) throws(Problem) -> Int? {
        guard let limit = value[name] else { return nil }
        return try points(limit, at: "/gates/\(name)")
      }
      gates.maxMoreErrors = try limit("errors")
      gates.maxMoreBlocks = try limit("blocks")
      gates.maxMoreLatency = try limit("latency")
      gates.maxMoreCost = try limit("cost")
      if let timeout = value["timeout"] {
        gates.timeoutMS = try span(timeout, at: "/gates/timeout")
      }
      if let text = value["on_timeout"] {
        guard let known = text.stringValue.flatMap(RolloutGates.OnTimeout.init) else {
          throw problem("/gates/on_timeout", "'on_timeout' must be pause or rollback")
        }
        gates.onTimeout = known
      }
      return gates
    }

    private func check(
      _ value: JSONValue,
      at pointer: String,
      known: [String]
    ) throws(Problem) {
      guard case .object(let members) = value else {
        throw problem(
          pointer,
          "a mapping is due here; known keys are \(known.joined(separator: ", "))"
        )
      }
      for key in members.keys.sorted() where !known.contains(key) {
        let hint =
          nearest(to: key, among: known).map { "did you mean '\($0)'?" }
          ?? "known are \(known.joined(separator: ", "))"
        throw problem("\(pointer)/\(key)", "'\(key)' is not known; \(hint)")
      }
    }

    private func points(_ value: JSONValue, at pointer: String) throws(Problem) -> Int {
      let text =
        switch value {
        case .string(let text): text
        case .int(let number): String(number)
        case .double(let number): String(number)
        default: ""
        }
      guard let points = RolloutFile.basisPoints(text) else {
        throw problem(pointer, "'\(text.prefix(40))' is no percentage with at most two decimals")
      }
      return points
    }

    private func span(_ value: JSONValue, at pointer: String) throws(Problem) -> Int64 {
      let text = text(value) ?? ""
      guard let span = text == "0" ? 0 : RolloutFile.milliseconds(text) else {
        throw problem(pointer, "'\(text.prefix(40))' is no time; write 90s, 10m, 2h or 1d")
      }
      return span
    }

    private func text(_ value: JSONValue) -> String? {
      value.stringValue ?? value.intValue.map(String.init)
    }
  }
}
