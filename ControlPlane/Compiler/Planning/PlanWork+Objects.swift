internal import Domain
internal import Foundation

extension PlanWork {
  /// Holds a document against what is stored: what is to be written, and whether it may be.
  mutating func change(_ document: AuthoredDocument, now: Date, mintID: () -> UUID) {
    let key = document.key
    guard let stored = world.objects[key] else {
      let before = world.deleted[key]
      let object = StoredObject(
        key: key,
        id: before?.id ?? mintID(),
        version: (before?.version ?? 0) + 1,
        spec: document.spec,
        status: key.kind == .tenant ? .active : nil,
        updatedAt: now,
        source: options.source
      )
      record(.create, from: nil, to: object)
      changed.append(object)
      after[key] = object
      return
    }
    let fields = difference(from: stored.spec, to: document.spec)
    guard mayChange(stored, document, isDifferent: !fields.isEmpty) else { return }
    var object = stored
    // Without a label a change is by hand: the owner stays, unless it is taken from it.
    if !options.source.isEmpty || options.takeOver { object.source = options.source }
    guard !fields.isEmpty else {
      guard object.source != stored.source else {
        return record(.unchanged, from: stored, to: stored)
      }
      record(.adopt, from: stored, to: object)
      adopted.append(object)
      after[key] = object
      return
    }
    object.spec = document.spec
    object.version += 1
    object.updatedAt = now
    record(.update, from: stored, to: object, fields)
    changed.append(object)
    after[key] = object
  }

  /// An object belongs to one source. A document under another label claims it; one without a label
  /// only when it would change it.
  private mutating func mayChange(
    _ stored: StoredObject,
    _ document: AuthoredDocument,
    isDifferent: Bool
  ) -> Bool {
    guard !stored.source.isEmpty, stored.source != options.source, !options.takeOver else {
      return true
    }
    if options.source.isEmpty, !isDifferent { return true }
    record(.unchanged, from: stored, to: stored)
    let mine = options.source.isEmpty ? "no source" : "source '\(options.source)'"
    report(
      "CFG_OTHER_SOURCE",
      document,
      "\(stored.key) is owned by source '\(stored.source)', and this is of \(mine)",
      "change it there, or take it over (--take-over)"
    )
    return false
  }

  /// Plans the deletion of what the source owns and the documents leave out.
  mutating func prune(now: Date) {
    guard let prune = options.prune, !options.source.isEmpty else { return }
    let owned = world.objects.values
      .filter { $0.source == options.source && prune.covers($0.key.tenant) }
      .sorted { $0.key < $1.key }
    for object in owned where sources[object.key] == nil {
      guard object.key.kind != .tenant else {
        plan.diagnostics.append(
          Diagnostic(
            code: "CFG_TENANT_KEPT",
            level: .warning,
            tier: .tenant,
            slug: "\(object.key.tenant)/\(object.key.slug)",
            path: "",
            message: "\(object.key) is no longer written, and stays: tenants are never deleted",
            hint: "archive it: bindery tenant archive \(object.key.slug)"
          )
        )
        continue
      }
      var gone = object
      gone.version += 1
      gone.updatedAt = now
      record(.delete, from: object, to: gone)
      deleted.append(gone)
      after[object.key] = nil
      if object.key.kind == .binding { plan.recompiled.append(object.key) }
    }
    let share = owned.isEmpty ? 0 : Double(deleted.count) / Double(owned.count)
    guard !prune.isConfirmed, deleted.count > prune.limit || share > 0.5 && deleted.count > 1 else {
      return
    }
    plan.diagnostics.append(
      Diagnostic(
        code: "CFG_PRUNE_LIMIT",
        tier: .platform,
        slug: "",
        path: "",
        message:
          "\(deleted.count) of the \(owned.count) objects of source '\(options.source)' would be deleted",
        hint:
          "more than \(prune.limit), or more than half, need a confirmation: look at them, then --yes"
      )
    )
  }

  private mutating func record(
    _ action: PlannedChange.Action,
    from stored: StoredObject?,
    to object: StoredObject,
    _ fields: [PlannedChange.Field] = []
  ) {
    plan.changes.append(
      PlannedChange(
        action: action,
        key: object.key,
        fromVersion: stored?.version ?? 0,
        toVersion: object.version,
        fields: fields,
        fromSource: stored?.source ?? "",
        toSource: action == .delete ? "" : object.source
      )
    )
  }
}
