import Domain
import Foundation

/// What authors and operators do meanwhile.
enum WorldActions {
  static let tenants: [UInt8] = [1, 2, 3]

  static func policy(_ tenant: UInt8) -> StalePolicy { tenant == 1 ? .serve : .refuse }

  static func start(_ sim: Simulation) {
    for number in tenants {
      let revision = sim.line.revision.next
      change(sim) { line in
        line.commit(
          put: [
            .tenant(
              TenantResource(
                tenantID: Catalogue.tenantID(number),
                slug: "tenant-\(number)",
                displayName: "Tenant",
                status: .active,
                switchRevision: revision,
                stalePolicy: policy(number),
                pausedPolicy: .hold,
                pausedMessage: [:]
              )
            )
          ],
          at: sim.now
        )
      }
    }
    for _ in 0 ..< 6 { commit(sim) }
  }

  static func plan(_ sim: Simulation) {
    sim.after(sim.number(1 ... sim.plan.commitInterval * 2)) { sim in
      guard !sim.isCalm else { return }
      commit(sim)
      plan(sim)
    }
  }

  static func change(_ sim: Simulation, _ body: (inout StoreLine) -> Void) {
    var line = sim.lines.removeLast()
    body(&line)
    sim.lines.append(line)
    sim.checker.committed(sim)
    let able = sim.replicas.filter { $0.isUp && !$0.isCutOff }
    if let commit = line.commits.last, !able.isEmpty {
      let maker = able[Int(sim.number(0 ... Int64(able.count - 1)))]
      maker.made(commit, of: line.incarnation, sim)
    }
    sim.trace {
      let commit = line.commits.last
      let put = commit?.resources.filter { if case .section = $0 { false } else { true } } ?? []
      return "commit \(line.revision): "
        + (put.map(describe) + (commit?.removed ?? []).map { "- \($0)" }).joined(separator: ", ")
    }
  }

  static func describe(_ resource: ConfigResource) -> String {
    switch resource {
    case .tenant(let it): "tenant \(it.tenantID.bytes[1]) \(it.status) @\(it.switchRevision)"
    case .binding(let it):
      "binding \(it.tenantID.bytes[1])/\(it.bindingID.bytes[2]) \(it.digest.hex.prefix(6))"
        + (it.isActive ? "" : " off") + (isPoison(it) ? " POISON" : "")
    case .route(let it): "route \(it.key)"
    case .candidate(let it):
      "candidate \(it.tenantID.bytes[1])/\(it.bindingID.bytes[2]) \(it.digest.hex.prefix(6))"
        + " for \(it.basisPoints) of \(it.audience.regions.sorted()) \(it.audience.labels)"
        + (RolloutActions.isPoison(it) ? " POISON" : "")
    case .section(let it): "section \(it.digest.hex.prefix(6))"
    case .channelAccount(let it): "account \(it.slug)"
    }
  }

  static func isPoison(_ binding: BindingResource) -> Bool {
    binding.content.hasPrefix("{\"poison\"")
  }

  static func commit(_ sim: Simulation) {
    if sim.chance(0.25), RolloutActions.act(sim) { return }
    let number = tenants[Int(sim.number(0 ... Int64(tenants.count - 1)))]
    let id = Catalogue.tenantID(number)
    let line = sim.line
    let held = line.newest.values.compactMap { resource -> BindingResource? in
      guard case .binding(let binding) = resource, binding.tenantID == id else { return nil }
      return binding
    }.sorted { $0.bindingID < $1.bindingID }
    let one = held.isEmpty ? nil : held[Int(sim.number(0 ... Int64(held.count - 1)))]
    switch (sim.number(0 ... 9), one) {
    case (0 ... 2, _):
      guard case .tenant(var tenant)? = line.newest[.tenant(id)] else { return }
      let other: [TenantStatus] = [.active, .paused, .active, .archived]
      tenant.status = other[Int(sim.number(0 ... 3))]
      tenant.switchRevision = line.revision.next
      change(sim) { $0.commit(put: [.tenant(tenant)], at: sim.now) }
    case (3, let gone?):
      change(sim) { line in
        let key = "host-\(gone.bindingID.bytes[1])-\(gone.bindingID.bytes[2])"
        line.commit(
          put: [],
          removed: [
            .binding(id, gone.bindingID), .route(id, channel: "web", key: key),
            .candidate(id, gone.bindingID),
          ],
          at: sim.now
        )
      }
    case (4, var binding?):
      binding.isActive.toggle()
      change(sim) { $0.commit(put: [.binding(binding)], at: sim.now) }
    case (5, .some):
      // A team's edit: all bindings of the tenant at once.
      let team = UInt8(sim.number(0 ... 1))
      let made = held.map { form(sim, number, $0.bindingID.bytes[2], team: team) }
      change(sim) { line in
        line.commit(
          put: made.map { .binding($0.binding) },
          sections: made.flatMap(\.sections),
          at: sim.now
        )
      }
    case (6, .some):
      guard case .tenant(var tenant)? = line.newest[.tenant(id)] else { return }
      tenant.displayName = "Tenant \(line.revision)"
      change(sim) { $0.commit(put: [.tenant(tenant)], at: sim.now) }
    default:
      let binding = UInt8(sim.number(0 ... 4))
      var made = form(sim, number, binding, team: UInt8(sim.number(0 ... 1)))
      if sim.chance(sim.plan.poison) {
        made.binding.content = "{\"poison\":\(line.revision)}"
        made.binding.digest = Digest(of: Data(made.binding.content.utf8))
      }
      change(sim) { line in
        line.commit(
          put: [
            .binding(made.binding),
            .route(
              RouteResource(
                channel: "web",
                key: "host-\(number)-\(binding)",
                tenantID: id,
                bindingID: made.binding.bindingID
              )
            ),
          ],
          sections: made.sections,
          at: sim.now
        )
      }
    }
  }

  static func form(
    _ sim: Simulation,
    _ tenant: UInt8,
    _ binding: UInt8,
    team: UInt8
  ) -> Catalogue.Made {
    Catalogue.binding(
      .init(
        tenant: tenant,
        binding: binding,
        human: UInt8(sim.number(0 ... 2)),
        team: team,
        platform: UInt8(sim.number(0 ... 1))
      )
    )
  }

  /// The database is put back to an older revision, and is another one from then on.
  static func restore(_ sim: Simulation) {
    let old = sim.line
    let revision = Revision(max(old.first, old.revision.value - sim.number(1 ... 5)))
    sim.add(
      StoreLine(
        restoring: old,
        to: revision,
        as: Catalogue.uuid(9, UInt8(sim.lines.count), 0),
        at: sim.now
      )
    )
    sim.injected("restore")
    sim.checker.committed(sim)
    sim.trace { "the database is put back to revision \(revision)" }
  }
}
