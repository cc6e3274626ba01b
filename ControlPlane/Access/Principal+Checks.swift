package import Domain

/// What a method asks of its caller before any message is read.
package enum Requirement: Hashable, Sendable {
  /// Nothing.
  case anyone
  /// A person or program of this rank, or a higher one.
  case rank(Principal.Rank)
  /// A node.
  case node
}

extension Principal {
  /// - Throws: `AccessRefusal`.
  package func meet(_ requirement: Requirement, of method: String) throws(AccessRefusal) {
    switch (requirement, role) {
    case (.anyone, _), (.node, .node): return
    case (.rank(let needed), .person(let rank, _)):
      guard rank >= needed else {
        throw denied("may not call \(method), which needs a token of role \(needed)")
      }
    case (.node, .person):
      throw denied(
        "may not call \(method), which needs a node's certificate or a token of role node"
      )
    case (.rank(let needed), .node):
      throw denied("may not call \(method), which needs a token of role \(needed)")
    }
  }

  /// The tenant that a request is about; where it names none, that of the caller, or all (empty).
  ///
  /// A tenant that isn't the caller's is refused alike whether or not it exists.
  /// - Throws: `AccessRefusal`.
  package func reach(_ tenant: String, orOwn: Bool = false) throws(AccessRefusal) -> String {
    guard case .person(_, .tenant(_, let own)) = role else { return tenant }
    if orOwn, tenant.isEmpty { return own }
    guard tenant == own else { throw denied("reaches no tenant but its own") }
    return own
  }

  /// - Throws: `AccessRefusal`, when it is of one tenant.
  package func requirePlatform(for what: String) throws(AccessRefusal) {
    guard tenant == nil else { throw denied("may not \(what), which is the platform's") }
  }

  package func denied(_ what: String) -> AccessRefusal {
    AccessRefusal(.denied, "\(title) \(what)")
  }

  // MARK: - Nodes

  /// - Throws: `AccessRefusal`: it is no node.
  private var grant: NodeGrant {
    get throws(AccessRefusal) {
      guard case .node(let grant) = role else { throw denied("is no node's") }
      return grant
    }
  }

  /// - Throws: `AccessRefusal`, unless it is the node of this name.
  package func speak(for nodeID: String) throws(AccessRefusal) {
    guard try grant.nodeID == nodeID else {
      throw denied("may not speak for another node; set node-id to its name")
    }
  }

  /// - Throws: `AccessRefusal`, when it is bound to another region.
  package func stand(in region: String) throws(AccessRefusal) {
    if let bound = try grant.region, bound != region {
      throw denied("is bound to region '\(bound)'; set region to it")
    }
  }

  /// What a node sees that wants to see `wanted` (none: all that it may).
  ///
  /// - Throws: `AccessRefusal`, when it wants more than it may see.
  package func narrow(_ wanted: [TenantID]) throws(AccessRefusal) -> [TenantID] {
    guard let allowed = try grant.tenants else { return wanted }
    if wanted.isEmpty { return allowed.sorted() }
    guard allowed.isSuperset(of: wanted) else {
      throw denied("may not watch all tenants of this filter; leave the others out")
    }
    return wanted
  }

  /// Whether a node may see a tenant; false alike when there is no such tenant.
  package func sees(_ tenant: TenantID?) throws(AccessRefusal) -> Bool {
    guard let tenants = try grant.tenants else { return true }
    return tenant.map(tenants.contains) ?? false
  }

  /// - Throws: `AccessRefusal`, when a node may not see the tenant.
  package func require(_ tenant: TenantID?) throws(AccessRefusal) {
    guard try sees(tenant) else { throw denied("does not serve this tenant") }
  }
}
