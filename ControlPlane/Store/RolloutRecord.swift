package import Domain
package import Foundation
internal import Postgres

/// A rollout as stored.
package struct RolloutRecord: Sendable {
  package var id: RolloutID
  package var tenantID: TenantID
  /// Slug of the tenant.
  package var tenant: String
  package var name: String
  package var state: RolloutState
  package var strategy: RolloutStrategy
  /// From 0; always one of the strategy's.
  package var step: Int
  /// Rises with each change of state or step.
  package var transitions: Int64
  /// That brought the step, or the end.
  package var revision: Revision
  /// How long the step has been held by the database's clock, pauses left out.
  package var heldMS: Int64
  package var author: String
  package var reason: String
  package var createdAt: Date
  package var endedAt: Date?
  package var endCode: String
  package var endMessage: String
  package var waiting: String
  package var report: GateReport?
  package var bindingCount: Int

  package var currentStep: RolloutStep { strategy.steps[step] }

  /// A tier that it carries.
  package struct Object: Sendable {
    package var kind: ObjectKind
    package var slug: String
    package var baselineVersion: Int32
    package var candidateVersion: Int32
  }

  /// The arms of a binding.
  package struct Binding: Sendable {
    package var slug: String
    package var baseline: String
    package var candidate: String
  }

  /// A node that a step gave the candidate to.
  package struct Node: Hashable, Sendable {
    package var nodeID: String
    package var region: String
    /// That it served when it was last heard of.
    package var revision: Revision
    /// Before so long, by the database's clock.
    package var silentMS: Int64
    /// For how long it has not confirmed the current step; nil once it has, and when it had left before.
    package var unconfirmedMS: Int64?
    /// When it refused the candidate.
    package var rejection: Rejection?

    package init(
      nodeID: String,
      region: String = "",
      revision: Revision,
      silentMS: Int64,
      unconfirmedMS: Int64? = nil,
      rejection: Rejection? = nil
    ) {
      self.nodeID = nodeID
      self.region = region
      self.revision = revision
      self.silentMS = silentMS
      self.unconfirmedMS = unconfirmedMS
      self.rejection = rejection
    }
  }

  package struct Rejection: Hashable, Sendable {
    package var code: String
    package var message: String

    package init(code: String, message: String) {
      self.code = code
      self.message = message
    }
  }

  static let columns: SQL = """
    select r.id, r.tenant_id, t.slug as tenant, r.name, r.state, r.strategy, r.step, r.transitions,
      coalesce(c.revision, 0) as revision, r.author, r.reason, r.created_at, r.ended_at, r.end_code,
      r.end_message, r.waiting, r.gate_report,
      (extract(epoch from
        coalesce(r.paused_at, r.ended_at, clock_timestamp()) - r.step_started_at) * 1000
      )::bigint as held_ms,
      (select count(*) from rollout_candidates k
        where k.tenant_id = r.tenant_id and k.rollout_id = r.id) as bindings
    from rollouts r join tenants t on t.id = r.tenant_id
      left join commits c on c.commit_id = r.step_commit_id
    """

  init(_ row: PostgresRow) throws {
    name = try row.decode("name")
    let what = "rollout \(name)"
    guard let state = RolloutState(rawValue: try row.decode("state")) else {
      throw StoreError.corrupt(what: what)
    }
    self.state = state
    id = RolloutID(try row.decode("id", as: UUID.self))
    tenantID = TenantID(try row.decode("tenant_id", as: UUID.self))
    tenant = try row.decode("tenant")
    strategy = try JSONText.decode(try row.decode("strategy"), what: what)
    step = try row.decode("step", as: Int.self)
    guard strategy.steps.indices.contains(step) else { throw StoreError.corrupt(what: what) }
    transitions = try row.decode("transitions")
    revision = Revision(try row.decode("revision"))
    heldMS = max(0, try row.decode("held_ms", as: Int64.self))
    author = try row.decode("author")
    reason = try row.decode("reason")
    createdAt = try row.decode("created_at")
    endedAt = try row.decode("ended_at")
    endCode = try row.decode("end_code")
    endMessage = try row.decode("end_message")
    waiting = try row.decode("waiting")
    report = try row.decode("gate_report", as: PostgresJSON?.self)
      .map { try JSONText.decode($0, what: what) }
    bindingCount = Int(try row.decode("bindings", as: Int64.self))
  }
}
