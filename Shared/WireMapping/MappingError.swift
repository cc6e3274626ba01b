/// Why a message of the wire could not be read as a value of the domain.
///
/// Two of them are equal when their codes are; `what` names the field, never its content.
package struct MappingError: Error, Hashable, Sendable, CustomStringConvertible {
  package enum Code: String, Hashable, Sendable {
    /// A field breaks the rules that stand beside it in the proto.
    case malformed = "MALFORMED"
    /// A value that this version does not know.
    case unsupported = "UNSUPPORTED"
  }

  package var code: Code
  package var what: String

  package init(_ code: Code, _ what: String) {
    self.code = code
    self.what = what
  }

  package var description: String { "\(code.rawValue): \(what)" }

  package static func == (a: Self, b: Self) -> Bool { a.code == b.code }

  package func hash(into hasher: inout Hasher) { hasher.combine(code) }
}
