internal import Domain
internal import Postgres
internal import Wire

/// Why a record can never be stored, as the contract tells it: a stable code, and a sentence that
/// names fields and constraints, never contents.
struct SetAsideReason {
  let code: String
  let message: String

  /// Nil for what may pass: the database is away, or the transaction lost against another one.
  init?(_ error: any Error) {
    switch error {
    case let error as TurnRecordError:
      code = error.code
      message = error.message
    case let error as PostgresError where error.kind == .encode:
      code = "UNSTORABLE_VALUE"
      message = error.message
    case let error as PostgresError:
      guard let state = error.sqlState, let code = Self.code(state, constraint: error.constraint)
      else { return nil }
      self.code = code
      let place = error.constraint ?? error.statement ?? "a value"
      message = "the database refused the record (\(place), SQLSTATE \(state))"
    default:
      return nil
    }
  }

  /// SQLSTATE classes 22 data, 23 integrity, 54 limits, and 42501 row-level security (PostgreSQL
  /// manual, appendix A): sent again, the same record fails in the same way.
  private static func code(_ state: String, constraint: String?) -> String? {
    switch state {
    case PostgresError.State.foreignKeyViolation:
      let constraint = constraint ?? ""
      if constraint.contains("binding_id") { return "UNKNOWN_BINDING" }
      if constraint.contains("session_id") { return "UNKNOWN_SESSION" }
      if constraint.hasSuffix("_tenant_id_fkey") { return "UNKNOWN_TENANT" }
      return "UNKNOWN_REFERENCE"
    case PostgresError.State.insufficientPrivilege: return "FOREIGN_TENANT"
    case "BN003": return TurnRecordError.personErased.code
    default:
      return ["22", "23", "54"].contains(String(state.prefix(2))) ? "UNSTORABLE_VALUE" : nil
    }
  }

  func setAside(_ request: Bindery_V1_RecordRequest) -> Bindery_V1_SetAside {
    var aside = Bindery_V1_SetAside()
    aside.sequence = request.sequence
    aside.code = code
    aside.message = message
    return aside
  }
}
