internal import Access
internal import Wire

extension AccessRules {
  /// Admin: a viewer reads, an author applies, an operator switches, an admin makes tokens, each in
  /// its tenant or, without one, in all. Whoever makes a change is named by the token, not by what the
  /// request says.
  static let admin: [String: AccessRule] = [
    "bindery.v1.Admin/Apply": AccessRule(.rank(.author), Bindery_V1_ApplyRequest.self) {
      (request, caller) throws(AccessRefusal) in
      request.author = caller.author
      try caller.reachAll(&request)
    },
    "bindery.v1.Admin/ApplyAll": AccessRule(.rank(.author), Bindery_V1_ApplyRequest.self) {
      (request, caller) throws(AccessRefusal) in
      request.author = caller.author
      try caller.reachAll(&request)
    },
    "bindery.v1.Admin/Get": AccessRule(.rank(.viewer), Bindery_V1_GetRequest.self) {
      (request, caller) throws(AccessRefusal) in
      try caller.reachObject(request.kind, request.tenant, request.slug)
    },
    "bindery.v1.Admin/List": AccessRule(.rank(.viewer), Bindery_V1_ListRequest.self) {
      (request, caller) throws(AccessRefusal) in
      request.tenant = try caller.reach(request.tenant, orOwn: true)
    },
    "bindery.v1.Admin/SetTenantStatus": AccessRule(
      .rank(.operator),
      Bindery_V1_SetTenantStatusRequest.self
    ) { (request, caller) throws(AccessRefusal) in
      request.author = caller.author
      _ = try caller.reach(request.tenant)
    },
    // Without a tenant: a revision, over the nodes that serve the caller's tenant.
    "bindery.v1.Admin/Wait": AccessRule(
      .rank(.viewer),
      Bindery_V1_WaitRequest.self,
      isStream: true
    ) { (request, caller) throws(AccessRefusal) in
      if !request.tenant.isEmpty { _ = try caller.reach(request.tenant) }
    },
    "bindery.v1.Admin/ListNodes": AccessRule(
      .rank(.viewer),
      Bindery_V1_ListNodesRequest.self
    ) { (_, _) throws(AccessRefusal) in },
    "bindery.v1.Admin/ForgetNode": AccessRule(
      .rank(.operator),
      Bindery_V1_ForgetNodeRequest.self
    ) { (_, caller) throws(AccessRefusal) in
      try caller.requirePlatform(for: "forget a node")
    },
    "bindery.v1.Admin/Usage": AccessRule(.rank(.viewer), Bindery_V1_UsageRequest.self) {
      (request, caller) throws(AccessRefusal) in
      request.tenant = try caller.reach(request.tenant, orOwn: true)
    },
    "bindery.v1.Admin/Audit": AccessRule(.rank(.viewer), Bindery_V1_AuditRequest.self) {
      (request, caller) throws(AccessRefusal) in
      if request.platformOnly { try caller.requirePlatform(for: "read that part of the audit log") }
      request.tenant = try caller.reach(request.tenant, orOwn: true)
    },
    "bindery.v1.Admin/CreateToken": AccessRule(
      .rank(.admin),
      Bindery_V1_CreateTokenRequest.self
    ) { (request, caller) throws(AccessRefusal) in
      request.author = caller.author
      if request.platform || request.role == .node {
        try caller.requirePlatform(for: "make such a token")
      }
      request.tenant = try caller.reach(request.tenant, orOwn: true)
    },
    "bindery.v1.Admin/ListTokens": AccessRule(.rank(.admin), Bindery_V1_ListTokensRequest.self) {
      (request, caller) throws(AccessRefusal) in
      request.tenant = try caller.reach(request.tenant, orOwn: true)
    },
    // Whose token it is, the service knows.
    "bindery.v1.Admin/RevokeToken": AccessRule(
      .rank(.admin),
      Bindery_V1_RevokeTokenRequest.self
    ) { (request, caller) throws(AccessRefusal) in request.author = caller.author }.uncut,
    "bindery.v1.Admin/RotateToken": AccessRule(
      .rank(.admin),
      Bindery_V1_RotateTokenRequest.self
    ) { (request, caller) throws(AccessRefusal) in request.author = caller.author }.uncut,
  ]
}
