/// A Swift type that can be the value of a statement and of a column.
///
/// Conforming a `RawRepresentable` type whose raw value conforms takes no code:
/// `extension TenantID: PostgresValue {}`.
package protocol PostgresValue: Sendable {
  var postgresParameter: PostgresParameter { get }
  /// The OID that parameters of this type declare, NULLs too; 0 (the default) lets the server infer it.
  static var postgresType: UInt32 { get }
  /// Adds the value in COPY's text form; returns why it can't be one, or nil. By default what
  /// `postgresParameter` says.
  func appendCopyText(to text: inout [UInt8]) -> String?
  /// `cell` is nil for NULL. Throw `PostgresDecodingFailure` for anything that is not a `Self`.
  static func decodePostgres(_ cell: PostgresCell?) throws -> Self
}

/// A value on its way to the server.
package struct PostgresParameter: Sendable, Equatable {
  enum Content: Sendable, Equatable {
    case null
    case text(String)
    /// `bytea`: sent in binary, since its text form is twice as long.
    case bytes([UInt8])
    /// Reported when the statement is sent: an interpolation cannot throw.
    case invalid(String)
  }

  var content: Content
  /// The type's OID; 0 lets the server infer it from where the value stands.
  var type: UInt32

  package static func null(type: UInt32 = 0) -> PostgresParameter {
    PostgresParameter(content: .null, type: type)
  }

  /// A value in PostgreSQL's text form. A NUL in it is refused when the statement is sent.
  package static func text(_ text: String, type: UInt32 = 0) -> PostgresParameter {
    guard !text.utf8.contains(0) else {
      return PostgresParameter(content: .invalid(holdsNUL), type: type)
    }
    return PostgresParameter(content: .text(text), type: type)
  }

  static let holdsNUL = "a text holds a NUL character"

  package static func bytes(_ bytes: [UInt8]) -> PostgresParameter {
    PostgresParameter(content: .bytes(bytes), type: TypeOID.bytea)
  }
}

/// One value of a row, in PostgreSQL's text form.
package struct PostgresCell {
  /// Only valid during the call that got the cell.
  let bytes: UnsafeBufferPointer<UInt8>
  /// The OID of the column's type.
  package let type: UInt32

  package var text: String { String(decoding: bytes, as: UTF8.self) }
}

/// Why a cell is not what was asked for. Holds no value.
package struct PostgresDecodingFailure: Error, Sendable {
  package var reason: String

  package init(_ reason: String) {
    self.reason = reason
  }

  static func null<T>(_ type: T.Type) -> PostgresDecodingFailure {
    PostgresDecodingFailure("is NULL, not \(T.self)")
  }
}

extension PostgresValue {
  package static var postgresType: UInt32 { 0 }
}

extension PostgresValue where Self: RawRepresentable, RawValue: PostgresValue {
  package static var postgresType: UInt32 { RawValue.postgresType }

  package var postgresParameter: PostgresParameter { rawValue.postgresParameter }

  package static func decodePostgres(_ cell: PostgresCell?) throws -> Self {
    guard let value = Self(rawValue: try RawValue.decodePostgres(cell)) else {
      throw PostgresDecodingFailure("is no \(Self.self)")
    }
    return value
  }
}

extension Optional: PostgresValue where Wrapped: PostgresValue {
  package static var postgresType: UInt32 { Wrapped.postgresType }

  package var postgresParameter: PostgresParameter {
    self?.postgresParameter ?? .null(type: Wrapped.postgresType)
  }

  package static func decodePostgres(_ cell: PostgresCell?) throws -> Wrapped? {
    guard let cell else { return nil }
    return try Wrapped.decodePostgres(cell)
  }
}

/// OIDs of built-in types: fixed for ever (pg_type.dat).
enum TypeOID {
  static let bytea: UInt32 = 17
  static let timestamptz: UInt32 = 1184
}
