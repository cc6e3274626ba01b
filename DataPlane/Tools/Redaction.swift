internal import Codecs
internal import Domain

/// Masks members of JSON that records must not hold.
enum Redaction {
  static let mask = JSONValue.string("[redacted]")

  /// - Parameter paths: `$.a.b`; a step into an array means each of its elements.
  static func redact(_ value: JSONValue, _ paths: [String]) -> JSONValue {
    paths.reduce(value) { value, path in
      let steps = path.split(separator: ".").map(String.init)
      guard steps.count > 1, steps[0] == "$" else { return value }
      return redact(value, steps.dropFirst())
    }
  }

  private static func redact(_ value: JSONValue, _ steps: ArraySlice<String>) -> JSONValue {
    guard let step = steps.first else { return mask }
    switch value {
    case .object(var members):
      guard let member = members[step] else { return value }
      members[step] = redact(member, steps.dropFirst())
      return .object(members)
    case .array(let elements):
      return .array(elements.map { redact($0, steps) })
    default:
      return value
    }
  }

  /// A text for records: as JSON where it is JSON, else as a JSON string.
  static func recorded(_ text: String, _ paths: [String]) -> String {
    do {
      return redact(try JSONText.parse(text), paths).canonicalText
    } catch {
      // Where masking is asked for, what can't be read can't be masked.
      return (paths.isEmpty ? JSONValue.string(text) : mask).canonicalText
    }
  }
}
