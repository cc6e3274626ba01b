/// A statement whose values travel beside its text: `"select 1 where id = \(id)"` becomes `$1`.
///
/// Raw text is only taken by the loud name `\(unsafeRaw: text)`; another `SQL` is spliced in with its
/// values by `\(fragment)`. The server infers the type of a value from where it stands; where it
/// can't, write a cast: `\(count)::int`.
package struct SQL: ExpressibleByStringInterpolation, Sendable {
  /// The texts between the values; always one more than there are values.
  var segments: [String]
  var parameters: [PostgresParameter]
  /// A name for errors and logs. The prepared statement is found by the text, not by the name.
  package var name: String?

  package init(stringLiteral value: String) {
    segments = [value]
    parameters = []
  }

  package init(stringInterpolation: StringInterpolation) {
    segments = stringInterpolation.segments
    parameters = stringInterpolation.parameters
  }

  /// The same statement under a name: `SQL("insert …", name: "insert-turn")`.
  package init(_ sql: SQL, name: String) {
    self = sql
    self.name = name
  }

  /// Text that is no literal; it must not hold values.
  package init(unsafeRaw text: String, name: String? = nil) {
    segments = [text]
    parameters = []
    self.name = name
  }

  /// The statement as the server sees it: `$1`, `$2`, … where the values are.
  package var text: String {
    guard parameters.count > 0 else { return segments[0] }
    var text = segments[0]
    for index in 1 ..< segments.count {
      text += "$\(index)"
      text += segments[index]
    }
    return text
  }

  package struct StringInterpolation: StringInterpolationProtocol {
    var segments: [String] = [""]
    var parameters: [PostgresParameter] = []

    package init(literalCapacity: Int, interpolationCount: Int) {
      segments.reserveCapacity(interpolationCount + 1)
      parameters.reserveCapacity(interpolationCount)
    }

    package mutating func appendLiteral(_ literal: String) {
      segments[segments.count - 1] += literal
    }

    package mutating func appendInterpolation<Value: PostgresValue>(_ value: Value) {
      parameters.append(value.postgresParameter)
      segments.append("")
    }

    package mutating func appendInterpolation(_ fragment: SQL) {
      segments[segments.count - 1] += fragment.segments[0]
      segments += fragment.segments.dropFirst()
      parameters += fragment.parameters
    }

    /// Puts text into the statement as it is. Never text that came from outside.
    package mutating func appendInterpolation(unsafeRaw text: String) {
      segments[segments.count - 1] += text
    }

    /// A name of a table, column, role …, quoted.
    package mutating func appendInterpolation(identifier name: String) {
      segments[segments.count - 1] += quotedIdentifier(name)
    }
  }
}

func quotedIdentifier(_ name: String) -> String {
  "\"" + name.replacing("\"", with: "\"\"") + "\""
}
