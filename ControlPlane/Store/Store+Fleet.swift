package import Domain
package import Foundation
internal import Postgres

/// A node as the replica that serves it tells of it. Times are ages: clocks of replicas differ.
package struct FleetNode: Hashable, Sendable {
  package struct Switch: Hashable, Sendable, Codable {
    package var tenant: UUID
    package var revision: Int64
    /// Unix time in ms.
    package var at: Int64

    package init(tenant: UUID, revision: Int64, at: Int64) {
      self.tenant = tenant
      self.revision = revision
      self.at = at
    }
  }

  package struct Rejection: Hashable, Sendable, Codable {
    package var key: ResourceKey
    package var digest: String?
    package var code: String
    package var message: String

    package init(key: ResourceKey, digest: String?, code: String, message: String) {
      self.key = key
      self.digest = digest
      self.code = code
      self.message = message
    }
  }

  package var nodeID: String
  package var isConnected = false
  package var region = ""
  package var version = ""
  package var edges: [String] = []
  package var isLazy = false
  /// Nil: all.
  package var tenants: [UUID]?
  package var revision: Revision = .zero
  /// The store that the revision is of.
  package var incarnation: UUID?
  package var acknowledgedAt: Date?
  /// How long its lease still lasts at most, in ms; negative when it is out; nil while it is renewed.
  package var leaseLeft: Int64?
  /// Since its last sign of life, in ms.
  package var seenAgo: Int64 = 0
  package var spoolDepth: Int64 = 0
  package var activeTurns: Int32 = 0
  package var switches: [Switch] = []
  package var rejections: [Rejection] = []

  package init(nodeID: String) { self.nodeID = nodeID }
}

/// What the store knows of the fleet.
package struct FleetReading: Sendable {
  package struct Replica: Hashable, Sendable {
    package var id: UUID
    package var address: String
    package var report: Int64
    /// Since it last said that it is there, in ms.
    package var age: Int64
    /// How long its leases are at most, in ms.
    package var lease: Int64
  }

  package var generation: Int64
  /// Since the first replica told of its nodes, in ms.
  package var age: Int64
  package var replicas: [Replica]
  /// Those told of since the reports that the reader knew, by the replica that told.
  package var nodes: [(replica: UUID, node: FleetNode)]
  /// Whether these are all nodes, since one was taken out.
  package var isWhole: Bool
}

/// One replica's part in what replicas tell each other of their nodes.
package struct FleetMember: Sendable {
  package let id: UUID
  package let address: String
  /// In ms, clock tolerance included.
  package let lease: Int64

  package init(id: UUID, address: String, lease: Int64) {
    self.id = id
    self.address = address
    self.lease = lease
  }
}

extension Store {
  static let fleetChannel = "bindery_fleet"

  /// Says that a replica is there, and what has changed with its nodes, in one transaction.
  ///
  /// A node that another replica tells of too belongs to who has seen it last; that it went away from one
  /// does not undo that it is with another.
  ///
  /// - Parameter report: rises by one each time.
  /// - Returns: the nodes that are this replica's now.
  package func tellFleet(
    _ member: FleetMember,
    report: Int64,
    nodes: [FleetNode]
  ) async throws -> Set<String> {
    let isThere: SQL =
      """
      insert into fleet_replicas (replica_id, address, lease_ms, report)
      values (\(member.id), \(member.address), \(member.lease), \(report))
      on conflict (replica_id) do update set report = excluded.report, seen_at = now()
      """
    if nodes.isEmpty {
      try await fleet.execute(isThere)
      return []
    }
    let results = try await fleet.withTransaction { connection in
      try await connection.pipeline([
        isThere,
        """
        insert into fleet_nodes as held (node_id, replica_id, report, connected, region, version,
          edges, lazy, tenants, revision, incarnation, acknowledged_at, lease_end, seen_at,
          spool_depth, active_turns, switches, rejections)
        select r.node, \(member.id)::uuid, \(report)::bigint, r.connected, r.region, r.version,
          r.edges, r.lazy, r.tenants, r.revision, r.incarnation,
          to_timestamp(r.acknowledged / 1e3), now() + r.left * interval '1 ms',
          now() - r.ago * interval '1 ms', r.spool, r.turns, r.switches, r.rejections
        from jsonb_to_recordset(\(try JSONText.encode(nodes.map(Row.init)))::jsonb) as r (
          node text, connected boolean, region text, version text, edges text[], lazy boolean,
          tenants uuid[], revision bigint, incarnation uuid, acknowledged float8, "left" float8,
          ago float8, spool bigint, turns int, switches jsonb, rejections jsonb)
        order by r.node
        on conflict (node_id) do update set replica_id = excluded.replica_id,
          report = excluded.report, connected = excluded.connected, region = excluded.region,
          version = excluded.version, edges = excluded.edges, lazy = excluded.lazy,
          tenants = excluded.tenants, revision = excluded.revision,
          incarnation = excluded.incarnation, acknowledged_at = excluded.acknowledged_at,
          lease_end = excluded.lease_end, seen_at = excluded.seen_at,
          spool_depth = excluded.spool_depth, active_turns = excluded.active_turns,
          switches = excluded.switches, rejections = excluded.rejections
        where held.replica_id = excluded.replica_id or (
          (excluded.seen_at > held.seen_at
            -- The clock was set back since.
            or held.seen_at > now() + interval '1 second') and (
            excluded.connected or not held.connected or not exists (
              select from fleet_replicas f where f.replica_id = held.replica_id
                and f.seen_at + f.lease_ms * interval '1 ms' > now())))
        returning node_id
        """,
      ])
    }
    return Set(try results[1].map { try $0.decode("node_id", as: String.self) })
  }

  /// What others told since the reports given, as of one moment.
  ///
  /// - Parameters:
  ///   - member: whose own nodes are left out, unless everything is read.
  ///   - known: the last report read of each replica.
  ///   - generation: the last one read; another one means that everything is read anew.
  package func readFleet(
    besides member: UUID,
    known: [UUID: Int64],
    generation: Int64?
  ) async throws -> FleetReading {
    try await fleet.withTransaction(isolation: .repeatableRead, readOnly: true) { connection in
      let heads = try await connection.pipeline([
        """
        select generation, coalesce((
          select (extract(epoch from now() - min(started_at)) * 1000)::bigint
          from fleet_replicas), 0) as age
        from fleet_line
        """,
        """
        select replica_id, address, report, lease_ms,
          (extract(epoch from now() - seen_at) * 1000)::bigint as age
        from fleet_replicas
        """,
      ])
      guard let line = heads[0].first else { throw StoreError.corrupt(what: "fleet_line") }
      let found = try line.decode("generation", as: Int64.self)
      let isWhole = found != generation
      let reports = isWhole ? [] : known.sorted { $0.key.uuidString < $1.key.uuidString }
      let rows = try await connection.query(
        """
        select n.*, (extract(epoch from n.lease_end - now()) * 1000)::bigint as lease_left,
          (extract(epoch from now() - n.seen_at) * 1000)::bigint as seen_ago
        from fleet_nodes n
        left join unnest(\(reports.map(\.key))::uuid[], \(reports.map(\.value))::bigint[])
          as k (replica_id, report) on k.replica_id = n.replica_id
        where (n.replica_id <> \(member) or \(isWhole)) and n.report > coalesce(k.report, -1)
        """
      )
      return FleetReading(
        generation: found,
        age: try line.decode("age"),
        replicas: try heads[1].map { row in
          FleetReading.Replica(
            id: try row.decode("replica_id"),
            address: try row.decode("address"),
            report: try row.decode("report"),
            age: try row.decode("age"),
            lease: try row.decode("lease_ms")
          )
        },
        nodes: try rows.map { (try $0.decode("replica_id"), try FleetNode($0)) },
        isWhole: isWhole
      )
    }
  }

  /// Takes out a node unless it may be serving.
  ///
  /// - Returns: nil when there is none of this name; false when it is connected, or may serve on a lease.
  package func forgetNode(_ nodeID: String) async throws -> Bool? {
    try await fleet.withTransaction { connection in
      let rows = try await connection.query(
        """
        select coalesce(n.lease_end > now(), false) or (n.connected and exists (
          select from fleet_replicas f where f.replica_id = n.replica_id
            and f.seen_at + f.lease_ms * interval '1 ms' > now())) as serves
        from fleet_nodes n where n.node_id = \(nodeID) for update
        """
      )
      guard let row = rows.first else { return nil }
      if try row.decode("serves", as: Bool.self) { return false }
      try await connection.execute("delete from fleet_nodes where node_id = \(nodeID)")
      try await connection.execute("update fleet_line set generation = generation + 1")
      return true
    }
  }

  /// Takes out nodes that nobody has seen for so long, and replicas that are gone for longer than that.
  ///
  /// - Returns: the names of the nodes.
  @discardableResult
  package func ageFleet(olderThan age: Duration) async throws -> [String] {
    let seconds = Double(age.components.seconds)
    return try await fleet.withTransaction { connection in
      let rows = try await connection.query(
        """
        delete from fleet_nodes n
        where n.seen_at < now() - make_interval(secs => \(seconds)) and not (
          n.connected and exists (
            select from fleet_replicas f where f.replica_id = n.replica_id
              and f.seen_at + f.lease_ms * interval '1 ms' > now()))
        returning node_id
        """
      )
      if !rows.isEmpty {
        try await connection.execute("update fleet_line set generation = generation + 1")
      }
      try await connection.execute(
        """
        delete from fleet_replicas f
        where f.seen_at < now() - make_interval(secs => \(seconds))
          and not exists (select from fleet_nodes n where n.replica_id = f.replica_id)
        """
      )
      return try rows.map { try $0.decode("node_id", as: String.self) }
    }
  }

  // MARK: - Rows

  private struct Row: Encodable {
    let node: String
    let connected: Bool
    let region: String
    let version: String
    let edges: [String]
    let lazy: Bool
    let tenants: [UUID]?
    let revision: Int64
    let incarnation: UUID?
    let acknowledged: Double?
    let left: Int64?
    let ago: Int64
    let spool: Int64
    let turns: Int32
    let switches: [FleetNode.Switch]
    let rejections: [FleetNode.Rejection]

    init(_ it: FleetNode) {
      node = it.nodeID
      connected = it.isConnected
      region = it.region
      version = it.version
      edges = it.edges
      lazy = it.isLazy
      tenants = it.tenants
      revision = it.revision.value
      incarnation = it.incarnation
      acknowledged = it.acknowledgedAt.map { $0.timeIntervalSince1970 * 1000 }
      left = it.leaseLeft
      ago = it.seenAgo
      spool = it.spoolDepth
      turns = it.activeTurns
      switches = it.switches
      rejections = it.rejections
    }
  }
}

extension FleetNode {
  fileprivate init(_ row: PostgresRow) throws {
    nodeID = try row.decode("node_id")
    isConnected = try row.decode("connected")
    region = try row.decode("region")
    version = try row.decode("version")
    edges = try row.decode("edges")
    isLazy = try row.decode("lazy")
    tenants = try row.decode("tenants", as: [UUID]?.self)
    revision = Revision(try row.decode("revision"))
    incarnation = try row.decode("incarnation", as: UUID?.self)
    acknowledgedAt = try row.decode("acknowledged_at", as: Date?.self)
    leaseLeft = try row.decode("lease_left", as: Int64?.self)
    seenAgo = max(0, try row.decode("seen_ago", as: Int64.self))
    spoolDepth = try row.decode("spool_depth")
    activeTurns = try row.decode("active_turns")
    let what = "node \(nodeID)"
    switches = try JSONText.decode(try row.decode("switches"), what: what)
    rejections = try JSONText.decode(try row.decode("rejections"), what: what)
  }
}
