internal import Access
internal import GRPCCore

/// What the interceptor hands on to services: who calls.
struct CallerContext: ServerContext.TransportSpecific {
  let principal: Principal
}

extension ServerContext {
  /// Who calls; nil when access is open to everyone.
  var principal: Principal? { (transportSpecific as? CallerContext)?.principal }
}
