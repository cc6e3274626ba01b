package import Domain

/// Why the store refused. Holds names of objects and constraints, never their contents.
package enum StoreError: Error, Equatable, Sendable {
  /// Somebody else changed the object since the plan was made: plan again.
  case stale(ObjectKey, expected: Int32, found: Int32)
  /// Another source has become the owner since the plan was made: plan again.
  case otherOwner(ObjectKey, expected: String, found: String)
  /// No revision of this number has been made.
  case unknownRevision(Revision, newest: Revision)
  /// What a revision held was removed, as the retention says.
  case revisionGone(Revision, oldest: Revision)
  /// The object has no version of this number, or no longer.
  case unknownVersion(ObjectKey, Int32, newest: Int32)
  /// No tenant has this slug.
  case unknownTenant(String)
  /// The platform paused or archived this tenant, so its own people can't change that.
  case heldByPlatform(String)
  /// A route, webhook slug or name is taken by somebody else; the constraint says which.
  case conflict(constraint: String)
  /// A newer compiler, or other tables of models and prices, took over from this program's.
  case compilerSuperseded(by: Int32)
  /// A rollout is under way over a binding, or over a tier that it uses.
  case underRollout(rollout: String, binding: String)
  /// There is no rollout of this name.
  case unknownRollout(tenant: String, name: String)
  /// What was asked of a rollout does not fit how it stands.
  case rolloutStands(name: String, how: String)
  /// Row-level security refused a write: what was to be stored names another tenant's rows.
  case foreignRow(statement: String)
  /// PostgreSQL older than 15.
  case serverTooOld(version: String)
  /// The extension `vector` is not installed on the server.
  case vectorMissing
  /// pgvector older than 0.5.
  case vectorTooOld(version: String)
  /// The database was migrated by a newer program.
  case schemaTooNew(found: Int, known: Int)
  /// The schema lacks migrations: `bindery migrate up` was not run.
  case schemaTooOld(found: Int, known: Int)
  /// An applied migration is not the one that this program ships.
  case migrationEdited(number: Int, name: String)
  /// The role that the daemon would log in as could bypass row-level security.
  case loginRoleUnsafe(role: String, reason: String)
  /// A stored row cannot be read; `what` names its table and key.
  case corrupt(what: String)

  /// Stable, for adapters and exit statuses.
  package var code: String {
    switch self {
    case .stale: "STALE"
    case .otherOwner: "OTHER_OWNER"
    case .unknownRevision: "UNKNOWN_REVISION"
    case .revisionGone: "REVISION_GONE"
    case .unknownVersion: "UNKNOWN_VERSION"
    case .unknownTenant: "UNKNOWN_TENANT"
    case .heldByPlatform: "HELD_BY_PLATFORM"
    case .conflict: "CONFLICT"
    case .compilerSuperseded: "COMPILER_SUPERSEDED"
    case .foreignRow: "FOREIGN_ROW"
    case .underRollout: "UNDER_ROLLOUT"
    case .unknownRollout: "UNKNOWN_ROLLOUT"
    case .rolloutStands: "ROLLOUT_STANDS"
    case .serverTooOld: "SERVER_TOO_OLD"
    case .vectorMissing: "VECTOR_MISSING"
    case .vectorTooOld: "VECTOR_TOO_OLD"
    case .schemaTooNew: "SCHEMA_TOO_NEW"
    case .schemaTooOld: "SCHEMA_TOO_OLD"
    case .migrationEdited: "MIGRATION_EDITED"
    case .loginRoleUnsafe: "LOGIN_ROLE_UNSAFE"
    case .corrupt: "CORRUPT"
    }
  }

  /// What a caller can do about it; adapters map it to their own statuses.
  package enum Kind: Sendable {
    /// What was named does not exist.
    case notFound
    /// Try again with a fresh plan.
    case stale
    /// Somebody else has it.
    case taken
    /// Somebody else has to do it.
    case refused
    /// It has to wait for something else to end.
    case occupied
    /// The database is not set up as this program needs it.
    case setup
    /// Our fault.
    case defect
  }

  package var kind: Kind {
    switch self {
    case .unknownTenant, .unknownRevision, .revisionGone, .unknownVersion, .unknownRollout:
      .notFound
    case .underRollout, .rolloutStands: .occupied
    case .stale, .otherOwner: .stale
    case .conflict: .taken
    case .heldByPlatform: .refused
    case .compilerSuperseded, .serverTooOld, .vectorMissing, .vectorTooOld, .schemaTooNew,
      .schemaTooOld,
      .migrationEdited, .loginRoleUnsafe:
      .setup
    case .corrupt, .foreignRow: .defect
    }
  }

  /// Whether the same change may succeed when planned anew.
  package var isStale: Bool { kind == .stale }
}

extension StoreError: CustomStringConvertible {
  package var description: String {
    "\(code): \(explanation)"
  }

  private var explanation: String {
    switch self {
    case .stale(let key, let expected, let found):
      "\(key) is at version \(found), the plan was made against \(expected); plan again"
    case .otherOwner(let key, let expected, let found):
      "\(key) is owned by source '\(found)' by now, the plan saw '\(expected)'; plan again"
    case .unknownRevision(let revision, let newest):
      "there is no revision \(revision) yet; the newest is \(newest)"
    case .revisionGone(let revision, let oldest):
      "revision \(revision) is no longer kept; the oldest that is kept is \(oldest)"
    case .unknownVersion(let key, let version, let newest):
      newest == 0
        ? "there is no \(key), and there was none"
        : "\(key) has no version \(version), or it is no longer kept; the newest is \(newest)"
    case .unknownTenant(let slug):
      "there is no tenant \(slug)"
    case .heldByPlatform(let slug):
      "the platform paused or archived tenant \(slug); only the platform's operators may change that"
    case .conflict(let constraint):
      "taken by somebody else (\(constraint)); choose another or release it first"
    case .compilerSuperseded(let newest):
      "a newer compiler, or other tables of models and prices, are in force (generation \(newest)); publish through a replica that has them"
    case .underRollout(let rollout, let binding):
      "binding \(binding) is under rollout '\(rollout)': wait for its end (bindery rollout status \(rollout)), or end it with bindery rollout promote --full \(rollout) or abort \(rollout); pausing the tenant works all the time"
    case .unknownRollout(let tenant, let name):
      "there is no rollout \(tenant)/\(name)"
    case .rolloutStands(let name, let how):
      "rollout '\(name)' \(how)"
    case .foreignRow(let statement):
      "a row of another tenant is among what was to be stored (\(statement)); nothing was"
    case .serverTooOld(let version):
      "PostgreSQL \(version) is too old; 15 or newer is needed"
    case .vectorMissing:
      "the server has no extension vector; install pgvector 0.5 or newer"
    case .vectorTooOld(let version):
      "pgvector \(version) is too old; 0.5 or newer is needed"
    case .schemaTooNew(let found, let known):
      "the database is at migration \(found), this program knows \(known); use a newer program"
    case .schemaTooOld(let found, let known):
      "the database is at migration \(found), this program needs \(known); run the migrations"
    case .migrationEdited(let number, let name):
      "migration \(number) \(name) in the database is not the one that this program ships"
    case .loginRoleUnsafe(let role, let reason):
      "role \(role) \(reason), so row-level security would not hold; choose another login role"
    case .corrupt(let what):
      "\(what) cannot be read"
    }
  }
}
