/// Why a call was refused: one line that says what is missing and what to do. Never a token's text.
package struct AccessRefusal: Error, Hashable, CustomStringConvertible {
  package enum Code: Hashable, Sendable {
    /// Nobody knows who calls.
    case unauthenticated
    /// The caller is known, and may not.
    case denied
    /// The caller is known, and has as much as it may have.
    case exhausted
  }

  package let code: Code
  package let message: String

  package init(_ code: Code, _ message: String) {
    self.code = code
    self.message = message
  }

  package var description: String { message }
}
