internal import Ledger
internal import Postgres

/// Why a call was refused. Names the field, never its content.
package enum ConversationError: Error, Equatable, Sendable, CustomStringConvertible {
  /// The request cannot be read, and repeating it will not help.
  case malformed(field: String)
  /// The record refers to rows that are not there, or are another tenant's.
  case foreign(constraint: String)

  /// Stable, for adapters.
  package var code: String {
    switch self {
    case .malformed: "MALFORMED"
    case .foreign: "FOREIGN_REFERENCE"
    }
  }

  package var description: String {
    switch self {
    case .malformed(let field): "\(code): \(field) is missing or cannot be read"
    case .foreign(let constraint):
      "\(code): the record names what this tenant does not have (\(constraint))"
    }
  }

  /// Runs `body`; what the database says about the request's own content becomes this error.
  static func translating<T>(_ body: () async throws -> T) async throws -> T {
    do {
      return try await body()
    } catch let error as TurnRecordError {
      throw ConversationError.malformed(field: error.field)
    } catch let error as PostgresError {
      switch error.sqlState {
      case PostgresError.State.foreignKeyViolation, PostgresError.State.insufficientPrivilege:
        throw ConversationError.foreign(constraint: error.constraint ?? "row-level security")
      case PostgresError.State.checkViolation:
        throw ConversationError.malformed(field: error.constraint ?? "a value")
      default: throw error
      }
    }
  }
}
