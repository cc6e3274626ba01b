internal import Access
internal import GRPCCore
internal import Transport

/// What the interceptor hands on to services: who calls, beside what the transport says.
struct CallerContext: TransportSpecificLayer {
  let principal: Principal
  let base: (any ServerContext.TransportSpecific)?
}

extension ServerContext {
  /// Who calls; nil when access is open to everyone.
  var principal: Principal? { (transportSpecific as? CallerContext)?.principal }
}
