internal import Codecs
internal import Domain
internal import Foundation
internal import Yams

/// One YAML document as JSON, with the line of every value.
struct YAMLDocument {
  let value: JSONValue
  /// Line (from 1) by JSON Pointer.
  let lines: [String: Int]
  /// Of the document's first node.
  let line: Int

  /// What is wrong with a file's text.
  struct Problem: Error, Equatable {
    var line: Int
    let message: String
    let hint: String
  }

  /// The line of a value, or of the nearest one around it.
  static func line(of pointer: String, in lines: [String: Int]) -> Int? {
    var pointer = Substring(pointer)
    while true {
      if let line = lines[String(pointer)] { return line }
      guard let slash = pointer.lastIndex(of: "/") else { return nil }
      pointer = pointer[..<slash]
    }
  }

  /// Problems of one file that are told.
  private static let maxProblems = 100

  /// Reads all documents of a text; empty ones are left out. After a document that can't be read it
  /// goes on with the next.
  static func parse(_ text: String) -> (documents: [YAMLDocument], problems: [Problem]) {
    let lines = text.split(omittingEmptySubsequences: false) { $0.isNewline }
    var documents: [YAMLDocument] = []
    var problems: [Problem] = []
    func report(_ problem: Problem) {
      if !problems.contains(problem) { problems.append(problem) }
    }
    var start = 0
    while start < lines.count, problems.count < maxProblems {
      do {
        let rest = start == 0 ? text : lines[start...].joined(separator: "\n")
        // Aliases stay nodes of their own until `Converter` has counted them.
        let parser = try Yams.Parser(yaml: rest)
        while let node = try parser.nextRoot() {
          var converter = Converter(linesBefore: start)
          do {
            let value = try converter.json(node, at: "", depth: 0)
            if value.isNull { continue }
            documents.append(
              YAMLDocument(
                value: value,
                lines: converter.lines,
                line: (node.mark?.line ?? 1) + start
              )
            )
          } catch let problem as Problem {
            report(problem)
          }
        }
        break
      } catch let error as YamlError {
        var problem = Problem(yaml: error)
        let failed = max(1, (error.failureLine ?? problem.line) - 1) + start
        problem.line += start
        report(problem)
        // A line that starts so begins a document wherever it stands (YAML 1.2, rule 206).
        start = lines.indices.dropFirst(failed).first { lines[$0].hasPrefix("---") } ?? lines.count
      } catch {
        report(Problem(line: 1, message: "this is no YAML", hint: "check the file"))
        break
      }
    }
    return (documents, problems)
  }

  /// Reads one JSON value, strictly; the lines come from reading it as YAML, which JSON nearly is.
  static func parse(json text: String) -> (documents: [YAMLDocument], problems: [Problem]) {
    do {
      let value = try JSONText.parse(text)
      let yaml = parse(text).documents.first { $0.value == value }
      return ([YAMLDocument(value: value, lines: yaml?.lines ?? [:], line: yaml?.line ?? 1)], [])
    } catch {
      let problem = Problem(
        line: error.line,
        message: "this is no JSON: \(error.message)",
        hint: "see column \(error.column)"
      )
      return ([], [problem])
    }
  }

  /// YAML 1.2's core schema (section 10.3.2), so that "no" and "12:30" stay words.
  private struct Converter {
    var lines: [String: Int] = [:]
    private let linesBefore: Int
    private var nodes = 0

    init(linesBefore: Int) { self.linesBefore = linesBefore }

    private func line(of node: Node) -> Int? { node.mark.map { $0.line + linesBefore } }

    mutating func json(_ node: Node, at pointer: String, depth: Int) throws -> JSONValue {
      nodes += 1
      let line = line(of: node) ?? linesBefore + 1
      lines[pointer] = line
      guard depth <= JSONText.maxDepth, nodes <= 100_000 else {
        throw Problem(
          line: line,
          message: "the document is too deep or too large",
          hint: "at most \(JSONText.maxDepth) levels and 100,000 values, aliases unfolded"
        )
      }
      switch node {
      case .scalar(let scalar):
        return try Self.scalar(scalar, tag: Self.tag(of: scalar.tag, at: line))
      case .sequence(let sequence):
        var elements: [JSONValue] = []
        for (index, element) in sequence.enumerated() {
          elements.append(try json(element, at: "\(pointer)/\(index)", depth: depth + 1))
        }
        return .array(elements)
      case .mapping(let mapping):
        var members: [String: JSONValue] = [:]
        for (key, element) in mapping {
          guard case .scalar(let scalar) = key else {
            throw Problem(
              line: self.line(of: key) ?? line,
              message: "a key is no text",
              hint: "keys are plain words"
            )
          }
          let name = scalar.string
          guard members[name] == nil else {
            throw Problem(
              line: self.line(of: key) ?? line,
              message: "the key \"\(name.prefix(40))\" is there twice",
              hint: "keep one of them"
            )
          }
          let member = Compiler.pointer(pointer, name)
          members[name] = try json(element, at: member, depth: depth + 1)
          // Where the key stands is where an author looks, also for a block that begins below it.
          if let line = self.line(of: key) { lines[member] = line }
        }
        return .object(members)
      case .alias:
        throw Problem(
          line: line,
          message: "an alias names nothing",
          hint: "define its anchor first"
        )
      }
    }

    /// An explicit tag of the core schema; nil when there is none.
    private static func tag(of tag: Tag, at line: Int) throws -> String? {
      let name = tag.description
      if name.isEmpty || name == "!" { return nil }
      let core = "tag:yaml.org,2002:"
      let known = ["str", "int", "float", "bool", "null", "map", "seq"]
      guard let short = known.first(where: { name == core + $0 }) else {
        throw Problem(
          line: line,
          message: "the tag '\(name.prefix(60))' has no meaning here",
          hint: "leave it out; texts, numbers, true, false, lists and mappings need no tag"
        )
      }
      return short
    }

    private static func scalar(_ scalar: Node.Scalar, tag: String?) -> JSONValue {
      let text = scalar.string
      // Only plain scalars are anything but text.
      guard scalar.style == .plain || scalar.style == .any, tag != "str" else {
        return .string(text)
      }
      switch text {
      case "", "~", "null", "Null", "NULL": return .null
      case "true", "True", "TRUE": return .bool(true)
      case "false", "False", "FALSE": return .bool(false)
      default: break
      }
      let digits = text.drop { $0 == "-" || $0 == "+" }
      let isDecimal = !digits.isEmpty && digits.allSatisfy { $0.isASCII && $0.isNumber }
      if isDecimal, let value = Int64(text) { return .int(value) }
      let isNumeric = text.allSatisfy { $0.isASCII && ($0.isNumber || "+-.eE".contains($0)) }
      if isNumeric, digits.contains(where: \.isNumber), let value = Double(text), value.isFinite {
        return .double(value)
      }
      return .string(text)
    }
  }
}

extension YAMLDocument.Problem {
  fileprivate init(yaml error: YamlError) {
    switch error {
    case .scanner(let context?, let problem, _, _) where context.text.contains("quoted scalar"):
      self.init(
        line: context.mark.line,
        message: "this is no YAML: \(problem) in the quoted text that begins here",
        hint: "end the text with the quote that it begins with"
      )
    case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
      .composer(_, let problem, let mark, _):
      self.init(
        line: mark.line,
        message: "this is no YAML: \(problem)",
        hint: "indent with spaces, and put texts with ':' or '#' in quotes"
      )
    case .duplicatedKeysInMapping(let duplicates, let context):
      self.init(
        line: context.mark.line,
        message:
          "keys are there twice: \(duplicates.map { String(describing: $0) }.joined(separator: ", "))",
        hint: "keep one of them"
      )
    default:
      self.init(line: 1, message: "this is no YAML", hint: "check the file's encoding (UTF-8)")
    }
  }
}

extension YamlError {
  /// Line up to which the text was read.
  fileprivate var failureLine: Int? {
    switch self {
    case .scanner(_, _, let mark, _), .parser(_, _, let mark, _), .composer(_, _, let mark, _):
      mark.line
    default: nil
    }
  }
}
