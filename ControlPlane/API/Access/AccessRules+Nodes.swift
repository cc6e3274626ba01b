internal import Access
internal import Domain
internal import Wire

extension AccessRules {
  /// What nodes call: each under its own name, in its own region, for the tenants that it may see.
  static let nodes: [String: AccessRule] = [
    "bindery.v1.Distribution/Watch": AccessRule(
      .node,
      Bindery_V1_WatchRequest.self,
      isStream: true
    ) { (request, caller) throws(AccessRefusal) in
      guard case .hello(var hello) = request.message else { return }
      try caller.speak(for: hello.nodeID)
      try caller.stand(in: hello.region)
      // An id that can't be read is nobody's; the service says what is wrong with it.
      let wanted = hello.filter.tenantIds.compactMap { TenantID(bytes: $0) }
      guard wanted.count == hello.filter.tenantIds.count else { return }
      hello.filter.tenantIds = try caller.narrow(wanted).map(\.data)
      request.message = .hello(hello)
    },
    // What it may not see is absent from the answer, as what does not exist.
    "bindery.v1.Distribution/Fetch": AccessRule(.node, Bindery_V1_FetchRequest.self) {
      (request, caller) throws(AccessRefusal) in
      try caller.speak(for: request.nodeID)
      var keys: [Bindery_V1_ResourceKey] = []
      for key in request.keys where try caller.sees(TenantID(bytes: key.tenantID)) {
        keys.append(key)
      }
      request.keys = keys
    },
    "bindery.v1.Conversations/Accept": AccessRule(.node, Bindery_V1_AcceptRequest.self) {
      (request, caller) throws(AccessRefusal) in
      try caller.require(request.conversation.tenant)
    },
    "bindery.v1.Conversations/BeginTurn": AccessRule(.node, Bindery_V1_BeginTurnRequest.self) {
      (request, caller) throws(AccessRefusal) in
      try caller.speak(for: request.nodeID)
      try caller.require(request.conversation.tenant)
    },
    "bindery.v1.Conversations/Renew": AccessRule(.node, Bindery_V1_RenewRequest.self) {
      (request, caller) throws(AccessRefusal) in
      try caller.require(request.conversation.tenant)
    },
    "bindery.v1.Conversations/Journal": AccessRule(.node, Bindery_V1_JournalRequest.self) {
      (request, caller) throws(AccessRefusal) in
      try caller.require(request.conversation.tenant)
    },
    "bindery.v1.Conversations/CommitTurn": AccessRule(.node, Bindery_V1_CommitTurnRequest.self) {
      (request, caller) throws(AccessRefusal) in
      try caller.require(request.conversation.tenant)
      try caller.require(TenantID(bytes: request.record.tenantID))
    },
    "bindery.v1.Conversations/SettleOutbox": AccessRule(
      .node,
      Bindery_V1_SettleOutboxRequest.self
    ) { (request, caller) throws(AccessRefusal) in
      try caller.require(TenantID(bytes: request.tenantID))
    },
    // The dispatcher offers only what the caller may see.
    "bindery.v1.Conversations/Claim": AccessRule(
      .node,
      Bindery_V1_ClaimRequest.self,
      isStream: true
    ) { (request, caller) throws(AccessRefusal) in
      try caller.speak(for: request.nodeID)
    },
    "bindery.v1.Ledger/Record": AccessRule(.node, Bindery_V1_RecordRequest.self, isStream: true) {
      (request, caller) throws(AccessRefusal) in
      // The name may stand in the first request only. A record of a tenant that the node may not
      // serve is set aside by the service: refused, it would hold up those behind it for ever.
      if !request.nodeID.isEmpty { try caller.speak(for: request.nodeID) }
    },
  ]
}

extension Bindery_V1_ConversationKey {
  fileprivate var tenant: TenantID? { TenantID(bytes: tenantID) }
}
