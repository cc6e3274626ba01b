internal import Access
internal import Wire

extension AccessRules {
  /// Admin: a tenant's viewer reads, its author writes and switches, the platform's admin does all.
  /// Whoever makes a change is named by the token, not by what the request says.
  static let admin: [String: AccessRule] = [
    "bindery.v1.Admin/Apply": AccessRule(.writer, Bindery_V1_ApplyRequest.self) {
      (request, caller) throws(AccessRefusal) in
      request.author = caller.author
      try caller.reachAll(&request)
    },
    "bindery.v1.Admin/Get": AccessRule(.reader, Bindery_V1_GetRequest.self) {
      (request, caller) throws(AccessRefusal) in
      try caller.reachObject(request.kind, request.tenant, request.slug)
    },
    "bindery.v1.Admin/List": AccessRule(.reader, Bindery_V1_ListRequest.self) {
      (request, caller) throws(AccessRefusal) in
      request.tenant = try caller.reach(request.tenant, orOwn: true)
    },
    "bindery.v1.Admin/SetTenantStatus": AccessRule(
      .writer,
      Bindery_V1_SetTenantStatusRequest.self
    ) { (request, caller) throws(AccessRefusal) in
      request.author = caller.author
      _ = try caller.reach(request.tenant)
    },
    // Without a tenant: a revision, over the nodes that serve the caller's tenant.
    "bindery.v1.Admin/Wait": AccessRule(.reader, Bindery_V1_WaitRequest.self, isStream: true) {
      (request, caller) throws(AccessRefusal) in
      if !request.tenant.isEmpty { _ = try caller.reach(request.tenant) }
    },
    "bindery.v1.Admin/ListNodes": AccessRule(.reader, Bindery_V1_ListNodesRequest.self) {
      (_, _) throws(AccessRefusal) in
    },
    "bindery.v1.Admin/Usage": AccessRule(.reader, Bindery_V1_UsageRequest.self) {
      (request, caller) throws(AccessRefusal) in
      request.tenant = try caller.reach(request.tenant, orOwn: true)
    },
    "bindery.v1.Admin/CreateToken": AccessRule(.admin, Bindery_V1_CreateTokenRequest.self) {
      (request, caller) throws(AccessRefusal) in
      request.author = caller.author
    },
    "bindery.v1.Admin/ListTokens": AccessRule(.admin, Bindery_V1_ListTokensRequest.self) {
      (_, _) throws(AccessRefusal) in
    },
    "bindery.v1.Admin/RevokeToken": AccessRule(.admin, Bindery_V1_RevokeTokenRequest.self) {
      (_, _) throws(AccessRefusal) in
    },
    "bindery.v1.Admin/RotateToken": AccessRule(.admin, Bindery_V1_RotateTokenRequest.self) {
      (_, _) throws(AccessRefusal) in
    },
  ]
}
