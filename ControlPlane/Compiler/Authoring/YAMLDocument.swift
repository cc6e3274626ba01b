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
  struct Problem: Error {
    let line: Int
    let message: String
    let hint: String
  }

  /// Reads all documents of a text; empty ones are left out.
  ///
  /// - Throws: `Problem`.
  static func parse(_ text: String) throws -> [YAMLDocument] {
    var documents: [YAMLDocument] = []
    do {
      // Aliases stay nodes of their own until `Converter` has counted them.
      let parser = try Yams.Parser(yaml: text)
      while let node = try parser.nextRoot() {
        var converter = Converter()
        let value = try converter.json(node, at: "", depth: 0)
        if value.isNull { continue }
        documents.append(
          YAMLDocument(value: value, lines: converter.lines, line: node.mark?.line ?? 1)
        )
      }
    } catch let error as YamlError {
      throw Problem(yaml: error)
    }
    return documents
  }

  /// YAML 1.2's core schema (section 10.3.2), so that "no" and "12:30" stay words.
  private struct Converter {
    var lines: [String: Int] = [:]
    private var nodes = 0

    init() {}

    mutating func json(_ node: Node, at pointer: String, depth: Int) throws -> JSONValue {
      nodes += 1
      let line = node.mark?.line ?? 1
      lines[pointer] = line
      guard depth <= JSONText.maxDepth, nodes <= 100_000 else {
        throw Problem(
          line: line,
          message: "the document is too deep or too large",
          hint: "at most \(JSONText.maxDepth) levels and 100,000 values, aliases unfolded"
        )
      }
      switch node {
      case .scalar(let scalar): return Self.scalar(scalar)
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
              line: key.mark?.line ?? line,
              message: "a key is no text",
              hint: "keys are plain words"
            )
          }
          let name = scalar.string
          guard members[name] == nil else {
            throw Problem(
              line: key.mark?.line ?? line,
              message: "the key \"\(name.prefix(40))\" is there twice",
              hint: "keep one of them"
            )
          }
          let escaped = name.replacing("~", with: "~0").replacing("/", with: "~1")
          members[name] = try json(element, at: "\(pointer)/\(escaped)", depth: depth + 1)
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

    private static func scalar(_ scalar: Node.Scalar) -> JSONValue {
      let text = scalar.string
      // Only plain scalars are anything but text.
      guard scalar.style == .plain || scalar.style == .any else { return .string(text) }
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
