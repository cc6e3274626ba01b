internal import Access
internal import Wire

extension AccessRules {
  /// Admin, people: only an admin of their tenant, or of the platform, sees or erases what is theirs.
  static let users: [String: AccessRule] = [
    "bindery.v1.Admin/EraseUser": AccessRule(.rank(.admin), Bindery_V1_EraseUserRequest.self) {
      (request, caller) throws(AccessRefusal) in
      request.author = caller.author
      _ = try caller.reach(request.user.tenant)
    },
    "bindery.v1.Admin/ExportUser": AccessRule(
      .rank(.admin),
      Bindery_V1_ExportUserRequest.self,
      isStream: true
    ) { (request, caller) throws(AccessRefusal) in
      request.author = caller.author
      _ = try caller.reach(request.user.tenant)
    },
    "bindery.v1.Admin/ListErasures": AccessRule(.rank(.admin), Bindery_V1_ListErasuresRequest.self)
    { (request, caller) throws(AccessRefusal) in
      _ = try caller.reach(request.tenant)
    },
  ]
}
