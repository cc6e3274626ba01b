internal import Codecs
internal import Compiler
internal import Domain
internal import Foundation
internal import GRPCCore
internal import Publishing
internal import Wire

extension ObjectKind {
  init(wire text: String) throws {
    guard let kind = ObjectKind(rawValue: text) else {
      let known = ObjectKind.allCases.map(\.rawValue).joined(separator: ", ")
      throw RPCError(
        code: .invalidArgument,
        message: "'\(text.prefix(40))' is no kind; known are \(known)"
      )
    }
    self = kind
  }
}

extension TenantStatus {
  init(wire status: Bindery_V1_TenantStatus) throws {
    switch status {
    case .active: self = .active
    case .paused: self = .paused
    case .archived: self = .archived
    case .unspecified, .UNRECOGNIZED:
      throw RPCError(code: .invalidArgument, message: "status must be active, paused or archived")
    }
  }
}

extension AuthoredDocument {
  init(wire document: Bindery_V1_Document) throws {
    let kind = try ObjectKind(wire: document.kind)
    let spec: JSONValue
    do {
      spec = try JSONText.parse(document.specJson)
    } catch {
      throw RPCError(
        code: .invalidArgument,
        message: "the spec of \(document.kind) \(document.slug) is no JSON: \(error)"
      )
    }
    self.init(
      key: ObjectKey(kind: kind, tenant: document.tenant, slug: document.slug),
      spec: spec,
      source: document.source
    )
  }
}

extension Bindery_V1_ApplyResponse {
  init(_ outcome: Publisher.Outcome, dryRun: Bool, touched: [String]) {
    self.init()
    let plan = outcome.plan
    ok = !plan.diagnostics.contains { $0.level == .error }
    changes = plan.changes.map(Bindery_V1_PlannedChange.init)
    diagnostics = plan.diagnostics.map(Bindery_V1_Diagnostic.init)
    revision = dryRun ? 0 : outcome.revision.value
    recompiledBindings = plan.recompiled.map { "\($0.tenant)/\($0.slug)" }
    touchedNodes = touched
  }
}

extension Bindery_V1_PlannedChange {
  init(_ change: PlannedChange) {
    self.init()
    action = change.action.rawValue
    kind = change.key.kind.rawValue
    tenant = change.key.tenant
    slug = change.key.slug
    fromVersion = change.fromVersion
    toVersion = change.toVersion
    fields = change.fields.map(Bindery_V1_FieldChange.init)
    fromSource = change.fromSource
    toSource = change.toSource
  }
}

extension Bindery_V1_FieldChange {
  init(_ field: PlannedChange.Field) {
    self.init()
    path = field.path
    beforeJson = field.before.map(\.canonicalText) ?? ""
    afterJson = field.after.map(\.canonicalText) ?? ""
  }
}

extension Bindery_V1_Diagnostic {
  init(_ diagnostic: Diagnostic) {
    self.init()
    code = diagnostic.code
    level = diagnostic.level.rawValue
    tier = diagnostic.tier.rawValue
    slug = diagnostic.slug
    path = diagnostic.path
    got = diagnostic.got
    message = diagnostic.message
    hint = diagnostic.hint
    source = diagnostic.source
  }
}

extension Bindery_V1_Object {
  /// - Parameter faults: why a binding does not compile any more and keeps an older form.
  init(_ object: StoredObject, faults: [Diagnostic] = []) throws {
    self.init()
    kind = object.key.kind.rawValue
    id = object.id.uuidString.lowercased()
    tenant = object.key.tenant
    slug = object.key.slug
    displayName = object.spec["display_name"]?.stringValue ?? object.key.slug
    version = object.version
    status =
      object.status?.rawValue
      ?? (object.key.kind == .binding
        ? (object.spec["is_active"]?.boolValue ?? true ? "active" : "inactive") : "")
    if !faults.isEmpty {
      let told = faults.prefix(3).map { "\($0.code) \($0.slug)\($0.path)" }
      status += ", keeps an older form: \(told.joined(separator: ", "))"
    }
    specJson = try CanonicalJSON.encode(object.spec)
    updatedAtMs = Int64(object.updatedAt.timeIntervalSince1970 * 1000)
    source = object.source
  }
}
