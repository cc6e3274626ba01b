internal import Domain
package import Foundation

extension String: PostgresValue {
  package var postgresParameter: PostgresParameter { .text(self) }

  package static func decodePostgres(_ cell: PostgresCell?) throws -> String {
    guard let cell else { throw PostgresDecodingFailure.null(String.self) }
    return cell.text
  }
}

extension PostgresValue where Self: FixedWidthInteger {
  package var postgresParameter: PostgresParameter { .text(String(self)) }

  package static func decodePostgres(_ cell: PostgresCell?) throws -> Self {
    guard let cell else { throw PostgresDecodingFailure.null(Self.self) }
    guard let value = Self(cell.text) else {
      throw PostgresDecodingFailure("is no \(Self.self)")
    }
    return value
  }
}

extension Int: PostgresValue {}
extension Int16: PostgresValue {}
extension Int32: PostgresValue {}
extension Int64: PostgresValue {}

extension Bool: PostgresValue {
  package var postgresParameter: PostgresParameter { .text(self ? "t" : "f") }

  package static func decodePostgres(_ cell: PostgresCell?) throws -> Bool {
    guard let cell else { throw PostgresDecodingFailure.null(Bool.self) }
    switch cell.text {
    case "t", "true": return true
    case "f", "false": return false
    default: throw PostgresDecodingFailure("is no Bool")
    }
  }
}

/// Also reads `numeric`, at the precision of a `Double`; read it as `String` to keep every digit.
extension Double: PostgresValue {
  package var postgresParameter: PostgresParameter {
    if isNaN { return .text("NaN") }
    if isInfinite { return .text(self < 0 ? "-Infinity" : "Infinity") }
    return .text(description)
  }

  package static func decodePostgres(_ cell: PostgresCell?) throws -> Double {
    guard let cell else { throw PostgresDecodingFailure.null(Double.self) }
    switch cell.text {
    case "NaN": return .nan
    case "Infinity": return .infinity
    case "-Infinity": return -.infinity
    case let text:
      guard let value = Double(text) else { throw PostgresDecodingFailure("is no Double") }
      return value
    }
  }
}

extension UUID: PostgresValue {
  package var postgresParameter: PostgresParameter { .text(text) }

  package static func decodePostgres(_ cell: PostgresCell?) throws -> UUID {
    guard let cell else { throw PostgresDecodingFailure.null(UUID.self) }
    guard let value = UUID(text: cell.bytes) else {
      throw PostgresDecodingFailure("is no UUID")
    }
    return value
  }
}

/// A `json` or `jsonb` value as its text; reading JSON is somebody else's business.
package struct PostgresJSON: PostgresValue, Hashable {
  package var text: String

  package init(_ text: String) {
    self.text = text
  }

  package var postgresParameter: PostgresParameter { .text(text) }

  package static func decodePostgres(_ cell: PostgresCell?) throws -> PostgresJSON {
    guard let cell else { throw PostgresDecodingFailure.null(PostgresJSON.self) }
    return PostgresJSON(cell.text)
  }
}
