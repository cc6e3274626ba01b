import Domain
import Foundation
import Postgres
import PostgresSupport
import Store
import Testing

/// Tests/Fixtures/target-schema.sql, the schema that the product must contain.
private let targetSchema: String = {
  var folder = URL(filePath: #filePath)
  for _ in 0 ..< 3 { folder.deleteLastPathComponent() }
  let file = folder.appending(path: "Fixtures/target-schema.sql")
  return (try? String(contentsOf: file, encoding: .utf8)) ?? ""
}()

@Suite struct `The schema` {
  @Test func `contains every table, column, constraint and index of the target schema`()
    async throws
  {
    #expect(targetSchema.contains("create table tenants"))
    let plain = StoreFixture.pool(try await TestDatabases.shared.empty(), connections: 1)
    try await withStore { fixture in
      try await plain.withConnection { try await $0.execute(script: targetSchema) }
      for (what, sql) in Self.catalogue {
        let wanted = try await plain.query(sql).map { try $0.decode(0, as: String.self) }
        let found = Set(
          try await fixture.owner.query(sql).map { try $0.decode(0, as: String.self) }
        )
        #expect(wanted.count >= 1, "\(what)")
        #expect(wanted.filter { !found.contains($0) } == [], "\(what)")
      }
    }
    await plain.shutdown()
  }

  /// Each lists lines that must be the same in both databases.
  private static let catalogue: [(String, SQL)] = [
    (
      "columns",
      """
      select format('%s.%s %s %s %s', c.relname, a.attname, format_type(a.atttypid, a.atttypmod),
        a.attnotnull, pg_get_expr(d.adbin, d.adrelid))
      from pg_attribute a join pg_class c on c.oid = a.attrelid
        left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
      where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' and a.attnum > 0
        and not a.attisdropped
      """
    ),
    (
      "constraints",
      """
      select format('%s %s', c.conrelid::regclass, pg_get_constraintdef(c.oid))
      from pg_constraint c
      where c.connamespace = 'public'::regnamespace and c.conrelid <> 0
      """
    ),
    (
      "indexes",
      "select indexdef from pg_indexes where schemaname = 'public'"
    ),
    ("extensions", "select extname::text from pg_extension"),
  ]

  @Test func `is brought up once, however often and by however many`() async throws {
    let conninfo = try await TestDatabases.shared.empty()
    let applied = try await withThrowingTaskGroup(of: [Int].self) { group in
      for _ in 0 ..< 3 {
        group.addTask {
          let pool = Migrator.pool(conninfo: conninfo, logger: StoreFixture.logger)
          let applied = try await Migrator(pool: pool, logger: StoreFixture.logger).up()
          await pool.shutdown()
          return applied
        }
      }
      return try await group.reduce(into: []) { $0 += $1 }
    }
    #expect(applied.sorted() == Migration.all.map(\.number))
    let pool = Migrator.pool(conninfo: conninfo, logger: StoreFixture.logger)
    let migrator = Migrator(pool: pool, logger: StoreFixture.logger)
    #expect(try await migrator.up() == [])
    #expect(try await migrator.status().allSatisfy(\.isApplied))

    try await pool.query("update schema_migrations set checksum = 'x' where number = 2")
    let edited = await #expect(throws: StoreError.self) { try await migrator.up() }
    #expect(edited?.code == "MIGRATION_EDITED")
    let older = Migrator(
      pool: pool,
      migrations: Array(Migration.all.dropLast()),
      logger: StoreFixture.logger
    )
    let tooNew = await #expect(throws: StoreError.self) { try await older.up() }
    #expect(tooNew?.code == "SCHEMA_TOO_NEW")
    await pool.shutdown()
  }
}

@Suite struct `Row-level security` {
  /// Tables without row-level security, each with its reason. None holds or reaches a tenant.
  private static let exempt = [
    "access_line",  // one row: how often the tokens changed
    "commits",  // revision, time and author of each commit
    "compiler_generations",  // which compiler and tables took over when
    "fleet_line",  // one row: how often a node was taken out
    "fleet_nodes",  // which nodes there are, and what they have in force
    "fleet_replicas",  // which control planes run
    "history_retention",  // one row: how much of the past is kept
    "ledger_cursors",  // how far each node's spool is stored
    "revision_line",  // one row: the newest revision
    "schema_migrations",  // what was applied
  ]

  @Test func `is forced on every table, with a policy, but for a list that reaches no tenant`()
    async throws
  {
    try await withStore { fixture in
      let rows = try await fixture.owner.query(
        """
        select c.relname::text as name, c.relrowsecurity and c.relforcerowsecurity as forced,
          exists (select from pg_policy p where p.polrelid = c.oid) as policy, exists (
            select from pg_attribute a where a.attrelid = c.oid and a.attname like '%tenant_id%'
          ) or exists (
            select from pg_constraint f where f.conrelid = c.oid and f.contype = 'f'
          ) as reaches
        from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')
        order by c.relname
        """
      )
      var open: [String] = []
      for row in rows {
        let name = try row.decode("name", as: String.self)
        let forced = try row.decode("forced", as: Bool.self)
        if !(try forced && row.decode("policy", as: Bool.self)) {
          open.append(name)
          #expect(try !row.decode("reaches", as: Bool.self), "\(name)")
        }
      }
      #expect(open == Self.exempt)
      #expect(rows.count > 25)
    }
  }

  @Test func `holds for the daemon's role, which can bypass nothing`() async throws {
    try await withStore { fixture in
      let row = try #require(
        try await fixture.owner.query(
          """
          select bool_or(rolsuper) as super, bool_or(rolbypassrls) as bypass, count(*) as roles,
            (select count(*) from pg_class c join pg_roles o on o.oid = c.relowner
              where o.rolname like 'bindery%') as owned
          from pg_roles where rolname like 'bindery%'
          """
        ).first
      )
      #expect(try !row.decode("super", as: Bool.self))
      #expect(try !row.decode("bypass", as: Bool.self))
      #expect(try row.decode("roles", as: Int.self) == 4)
      #expect(try row.decode("owned", as: Int.self) == 0)
      let superuser = await #expect(throws: StoreError.self) {
        try await LoginRole(name: "postgres").ensure(on: fixture.owner)
      }
      #expect(superuser?.code == "LOGIN_ROLE_UNSAFE")
    }
  }

  @Test func `shows one tenant its own rows only, and none without a tenant`() async throws {
    try await withStore { fixture in
      let mine = SampleTenant("medicly", number: "919800000004")
      let other = SampleTenant("vakil", number: "919800000005")
      try await fixture.store.publish(mine.publication())
      try await fixture.store.publish(other.publication())
      let tables = try await fixture.owner.query(
        """
        select table_name::text from information_schema.columns
        where column_name = 'tenant_id'
          -- In this order: other schemas' tables have no such name here.
          and case when table_schema = 'public' then
            has_any_column_privilege('bindery_app', format('%I', table_name)::regclass, 'select')
            else false end
        order by 1
        """
      ).map { try $0.decode(0, as: String.self) }
      #expect(tables.count > 20)
      for table in tables {
        let seen = try await fixture.store.app.withTransaction(
          settings: Store.settings(for: mine.tenantID)
        ) { connection in
          try await connection.query(
            "select distinct tenant_id from \(identifier: table) where tenant_id is not null"
          )
        }
        #expect(
          try seen.allSatisfy { try $0.decode(0, as: UUID.self) == mine.tenantID.uuid },
          "\(table)"
        )
        let nothing = try await fixture.store.app.query(
          "select 1 from \(identifier: table) where tenant_id is not null"
        )
        #expect(nothing.isEmpty, "\(table)")
      }
      #expect(try await fixture.store.app.query("select 1 from tenants").isEmpty)

      let stolen = await #expect(throws: PostgresError.self) {
        try await fixture.store.app.withTransaction(settings: Store.settings(for: mine.tenantID)) {
          try await $0.execute(
            """
            insert into humans (tenant_id, slug, display_name)
            values (\(other.tenantID.uuid), 'intruder', 'Intruder')
            """
          )
        }
      }
      #expect(stolen?.sqlState == PostgresError.State.insufficientPrivilege)
      let conversations = await #expect(throws: PostgresError.self) {
        try await fixture.store.distribution.query("select 1 from messages")
      }
      #expect(conversations?.sqlState == PostgresError.State.insufficientPrivilege)
      let people = await #expect(throws: PostgresError.self) {
        try await fixture.store.app.query("select 1 from users")
      }
      #expect(people?.sqlState == PostgresError.State.insufficientPrivilege)
    }
  }

  @Test func `and foreign keys keep references inside of a tenant`() async throws {
    try await withStore { fixture in
      let mine = SampleTenant("medicly", number: "919800000004")
      let other = SampleTenant("vakil", number: "919800000005")
      try await fixture.store.publish(mine.publication())
      try await fixture.store.publish(other.publication())
      for column in ["human_id", "team_id", "agent_id"] {
        let foreign = [
          "human_id": other.humanID, "team_id": other.teamID, "agent_id": other.agentID,
        ]
        let id = try #require(foreign[column])
        let error = await #expect(throws: PostgresError.self) {
          try await fixture.owner.query(
            """
            update agent_bindings set \(identifier: column) = \(id)
            where id = \(mine.bindingID.uuid)
            """
          )
        }
        #expect(error?.sqlState == PostgresError.State.foreignKeyViolation, "\(column)")
      }
      let member = await #expect(throws: PostgresError.self) {
        try await fixture.owner.query(
          """
          insert into team_members (tenant_id, team_id, human_id)
          values (\(mine.tenantID.uuid), \(mine.teamID), \(other.humanID))
          """
        )
      }
      #expect(member?.sqlState == PostgresError.State.foreignKeyViolation)
      // Checked when the transaction ends: teams may name each other.
      let handoff = await #expect(throws: PostgresError.self) {
        try await fixture.owner.withTransaction { connection in
          try await connection.execute(
            """
            update teams set allowed_handoffs = array[\(other.teamID)::uuid]
            where id = \(mine.teamID)
            """
          )
        }
      }
      #expect(handoff?.constraint == "teams_allowed_handoffs_exist")
    }
  }
}
