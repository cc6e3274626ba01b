package import Domain
package import Foundation
internal import Postgres

/// What decides how bindings are compiled, besides their specs.
package struct CompilerIdentity: Hashable, Sendable {
  /// A lower one never takes over from a higher one.
  package var compilerVersion: Int
  /// SHA-256 of what goes into every binding.
  package var fingerprint: Digest
  package var aliasTable: String
  package var priceTable: String

  package init(
    compilerVersion: Int,
    fingerprint: Digest,
    aliasTable: String,
    priceTable: String
  ) {
    self.compilerVersion = compilerVersion
    self.fingerprint = fingerprint
    self.aliasTable = aliasTable
    self.priceTable = priceTable
  }
}

/// Whether a replica's compiler is the one in force.
package enum CompilerClaim: Hashable, Sendable {
  /// It is; `isFinished`: every binding is compiled with it, or known not to compile.
  case inForce(generation: Int32, isFinished: Bool)
  case superseded(by: Int32)
}

extension Store {
  /// Says that a replica runs with this compiler, and has it take over from the one before.
  ///
  /// A newer compiler takes over at once, an older one never. Of equal ones with other tables the one
  /// that is new to this store takes over; one that had been taken over from comes back only when no
  /// replica has held the newer one for `patience`, so that replicas which start in turns do not undo
  /// each other's work.
  package func claim(
    _ identity: CompilerIdentity,
    patience: Duration = .seconds(60)
  ) async throws -> CompilerClaim {
    try await app.withTransaction { connection in
      try await connection.query("select pg_advisory_xact_lock(\(Self.generationLock))")
      let rows = try await connection.query(
        """
        select generation, compiler_version, finished_at is not null as finished,
          fingerprint = \(identity.fingerprint.hex) as same,
          held_at < now() - make_interval(secs => \(Double(patience.milliseconds) / 1e3)) as left,
          (select count(*) from compiler_generations k
            where k.fingerprint = \(identity.fingerprint.hex)) as known
        from compiler_generations order by generation desc limit 1
        """
      )
      var generation: Int32 = 1
      if let row = rows.first {
        let newest = try row.decode("generation", as: Int32.self)
        let version = try row.decode("compiler_version", as: Int.self)
        if try row.decode("same", as: Bool.self), version == identity.compilerVersion {
          try await connection.execute(
            "update compiler_generations set held_at = now() where generation = \(newest)"
          )
          return .inForce(generation: newest, isFinished: try row.decode("finished"))
        }
        let isNew = try row.decode("known", as: Int64.self) == 0
        let isLeft = try row.decode("left", as: Bool.self)
        guard version <= identity.compilerVersion,
          version < identity.compilerVersion || isNew || isLeft
        else { return .superseded(by: newest) }
        generation = newest + 1
      }
      try await connection.execute(
        """
        insert into compiler_generations (generation, compiler_version, fingerprint, alias_table,
          price_table)
        values (\(generation), \(identity.compilerVersion)::int, \(identity.fingerprint.hex),
          \(identity.aliasTable), \(identity.priceTable))
        """
      )
      // Commits of the one before that are under way wait here, and are refused; or this waits for them,
      // and what they write is seen and compiled anew.
      try await connection.execute("update revision_line set generation = \(generation)")
      return .inForce(generation: generation, isFinished: false)
    }
  }

  /// Runs `body` unless another replica is at it; nil then. Ends with this process at the latest.
  package func recompiling<T: Sendable>(_ body: () async throws -> T) async throws -> T? {
    try await app.withTransaction(settings: Self.holding) { connection in
      let rows = try await connection.query(
        "select pg_try_advisory_xact_lock(\(Self.recompileLock)) as mine"
      )
      guard try rows.first?.decode("mine", as: Bool.self) == true else { return nil }
      return try await body()
    }
  }

  /// Bindings of a tenant whose stored form is of an older generation, by slug.
  package func outdated(
    before generation: Int32,
    tenant: TenantID,
    limit: Int
  ) async throws -> [String] {
    try await distribution.query(
      """
      select b.slug from compiled_bindings c
      join agent_bindings b on b.tenant_id = c.tenant_id and b.id = c.binding_id
      where c.tenant_id = \(tenant.uuid) and c.generation < \(generation) and b.removed_at is null
        -- What is under a rollout waits for its end.
        and not exists (
          select from rollout_objects o
          where o.tenant_id = b.tenant_id and o.active
            and o.object_id in (b.human_id, b.team_id, b.agent_id))
      order by c.binding_id limit \(max(0, limit))
      """
    )
    .map { try $0.decode(0) }
  }

  /// Stores what bindings were compiled to anew: other forms as a revision, of the same ones that they
  /// are of this generation, and which do not compile and keep what they have.
  ///
  /// - Throws: `StoreError.stale` when somebody changed what they were compiled from.
  package func publishRecompiled(
    _ publication: Publication,
    of tenant: TenantID,
    same: [UUID],
    failed: [UUID: [Diagnostic]]
  ) async throws -> Revision? {
    let groups = try await TenantGroup.groups(of: publication, tenants: knownTenants(publication))
    let writer = PublicationWriter(
      commitID: UUID(),
      author: publication.author,
      reason: publication.reason,
      generation: publication.generation
    )
    let rows = try failed.map { id, diagnostics in
      FailureRow(id: id, diagnostics: try JSONText.encode(diagnostics).text)
    }
    let done = same + failed.keys
    let made = try await retryingLostRaces {
      try await app.withTransaction(settings: writer.auditSettings) {
        connection -> MadeCommit? in
        for group in groups { try await writer.lock(group, on: connection) }
        var written: [(ordinal: Int, resource: ConfigResource)] = []
        for group in groups { written += try await writer.write(group, on: connection).resources }
        _ = try await connection.pipeline([
          // Whoever recompiles for long holds what it recompiles by.
          """
          update compiler_generations set held_at = now()
          where generation = \(publication.generation ?? 0)
          """,
          """
          update compiled_bindings set generation = \(publication.generation ?? 0)
          where tenant_id = \(tenant.uuid) and binding_id = any (\(done)::uuid[])
          """,
          """
          delete from compile_failures
          where tenant_id = \(tenant.uuid) and binding_id = any (\(same)::uuid[])
          """,
          """
          insert into compile_failures (tenant_id, binding_id, generation, diagnostics)
          select \(tenant.uuid)::uuid, r.id, \(publication.generation ?? 0)::int,
            r.diagnostics::jsonb
          from jsonb_to_recordset(\(try JSONText.encode(rows))::jsonb)
            as r (id uuid, diagnostics text)
          on conflict (tenant_id, binding_id) do update set generation = excluded.generation,
            diagnostics = excluded.diagnostics, found_at = now()
          """,
        ])
        if publication.resources.isEmpty { return nil }
        return try await writer.takeRevision(
          putting: written,
          removing: publication.removed,
          on: connection
        )
      }
    }
    if let made { await announce(made) }
    return made?.revision
  }

  /// Every binding has been seen to.
  package func finish(generation: Int32) async throws {
    try await app.execute(
      """
      update compiler_generations set finished_at = now()
      where generation = \(generation) and finished_at is null
      """
    )
  }

  /// Those of these bindings that keep an older compiled form, with why.
  package func compileFailures(of bindings: [ObjectKey]) async throws -> [ObjectKey: [Diagnostic]] {
    if bindings.isEmpty { return [:] }
    let rows = try await distribution.query(
      """
      select t.slug as tenant, b.slug, f.diagnostics
      from unnest(\(bindings.map(\.tenant))::text[], \(bindings.map(\.slug))::text[])
        as k (tenant, slug)
      join tenants t on t.slug = k.tenant
      join agent_bindings b on b.tenant_id = t.id and b.slug = k.slug
      join compile_failures f on f.tenant_id = b.tenant_id and f.binding_id = b.id
      """
    )
    var found: [ObjectKey: [Diagnostic]] = [:]
    for row in rows {
      let key = ObjectKey(
        kind: .binding,
        tenant: try row.decode("tenant"),
        slug: try row.decode("slug")
      )
      found[key] = try JSONText.decode(try row.decode("diagnostics"), what: key.description)
    }
    return found
  }

  package func compileFailureCount() async throws -> Int {
    let rows = try await distribution.query("select count(*) as failed from compile_failures")
    return Int(try rows.first?.decode("failed", as: Int64.self) ?? 0)
  }

  private struct FailureRow: Encodable {
    let id: UUID
    let diagnostics: String
  }

  private static let generationLock: Int64 = 0x6269_6e64_6765_6e31
  private static let recompileLock: Int64 = 0x6269_6e64_6765_6e32
}

extension Duration {
  fileprivate var milliseconds: Int64 {
    let (seconds, attoseconds) = components
    return seconds * 1_000 + attoseconds / 1_000_000_000_000_000
  }
}
