internal import Access
internal import Wire

extension AccessRules {
  /// Admin, rollouts: who may apply may also roll out, and end what was begun.
  static let rollouts: [String: AccessRule] = [
    "bindery.v1.Admin/CreateRollout": AccessRule(
      .rank(.author),
      Bindery_V1_CreateRolloutRequest.self
    ) { (request, caller) throws(AccessRefusal) in
      request.author = caller.author
      for document in request.documents {
        try caller.reachObject(document.kind, document.tenant, document.slug)
      }
      for object in request.expected {
        try caller.reachObject(object.kind, object.tenant, object.slug)
      }
    },
    "bindery.v1.Admin/GetRollout": AccessRule(.rank(.viewer), Bindery_V1_GetRolloutRequest.self) {
      (request, caller) throws(AccessRefusal) in
      request.tenant = try caller.reach(request.tenant, orOwn: true)
    },
    "bindery.v1.Admin/ListRollouts": AccessRule(
      .rank(.viewer),
      Bindery_V1_ListRolloutsRequest.self
    ) { (request, caller) throws(AccessRefusal) in
      request.tenant = try caller.reach(request.tenant, orOwn: true)
    },
    "bindery.v1.Admin/ControlRollout": AccessRule(
      .rank(.author),
      Bindery_V1_ControlRolloutRequest.self
    ) { (request, caller) throws(AccessRefusal) in
      request.author = caller.author
      request.tenant = try caller.reach(request.tenant, orOwn: true)
    },
  ]
}
