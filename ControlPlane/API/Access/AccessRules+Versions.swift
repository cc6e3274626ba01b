internal import Access
internal import Domain
internal import Wire

extension AccessRules {
  /// Admin, the past: a tenant's own is its viewers' to read and its authors' to bring back; how much
  /// is kept is the platform's.
  static let versions: [String: AccessRule] = [
    "bindery.v1.Admin/History": AccessRule(.rank(.viewer), Bindery_V1_HistoryRequest.self) {
      (request, caller) throws(AccessRefusal) in
      try caller.reachObject(request.kind, request.tenant, request.slug)
    },
    "bindery.v1.Admin/Diff": AccessRule(.rank(.viewer), Bindery_V1_DiffRequest.self) {
      (request, caller) throws(AccessRefusal) in
      try caller.reachObject(request.kind, request.tenant, request.slug)
    },
    "bindery.v1.Admin/Rollback": AccessRule(.rank(.author), Bindery_V1_RollbackRequest.self) {
      (request, caller) throws(AccessRefusal) in
      request.author = caller.author
      try caller.reachObject(request.kind, request.tenant, request.slug)
    },
    "bindery.v1.Admin/ListRoutes": AccessRule(.rank(.viewer), Bindery_V1_ListRoutesRequest.self) {
      (request, caller) throws(AccessRefusal) in
      request.tenant = try caller.reach(request.tenant, orOwn: true)
    },
    "bindery.v1.Admin/GetRetention": AccessRule(.rank(.viewer), Bindery_V1_GetRetentionRequest.self)
    {
      (_, _) throws(AccessRefusal) in
    },
    "bindery.v1.Admin/SetRetention": AccessRule(.rank(.admin), Bindery_V1_SetRetentionRequest.self)
    {
      (request, caller) throws(AccessRefusal) in
      request.author = caller.author
      try caller.requirePlatform(for: "say how much of the past is kept")
    },
    "bindery.v1.Admin/PruneHistory": AccessRule(.rank(.admin), Bindery_V1_PruneHistoryRequest.self)
    {
      (_, caller) throws(AccessRefusal) in
      try caller.requirePlatform(for: "remove what is past")
    },
  ]
}

extension Principal {
  /// - Throws: `AccessRefusal` for an object of a tenant that isn't the caller's.
  func reachObject(_ kind: String, _ tenant: String, _ slug: String) throws(AccessRefusal) {
    _ = try reach(tenant)
    if kind == ObjectKind.tenant.rawValue { _ = try reach(slug) }
  }

  /// Keeps an apply within the caller's tenant, also in what it expects and in what it deletes.
  func reachAll(_ request: inout Bindery_V1_ApplyRequest) throws(AccessRefusal) {
    for document in request.documents {
      try reachObject(document.kind, document.tenant, document.slug)
    }
    for object in request.expected { try reachObject(object.kind, object.tenant, object.slug) }
    if request.prune, request.pruneTenants.isEmpty {
      let own = try reach("", orOwn: true)
      request.pruneTenants = own.isEmpty ? [] : [own]
    }
    for tenant in request.pruneTenants { _ = try reach(tenant) }
  }
}
