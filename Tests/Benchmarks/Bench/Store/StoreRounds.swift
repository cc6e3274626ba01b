internal import Domain
internal import Foundation
internal import Logging
internal import Postgres

/// Our side of `bindery-bench store`.
enum StoreRounds {
  static let accounts = 100_000

  static func pool(
    _ conninfo: String,
    connections: Int,
    role: String? = nil
  ) -> PostgresPool {
    var configuration = PostgresConfiguration(conninfo: conninfo)
    configuration.maxConnections = connections
    configuration.role = role
    return PostgresPool(
      configuration: configuration,
      logger: Logger(label: "bench") { _ in SwiftLogNoOpLogHandler() }
    )
  }

  /// The tables of both parts. `plain` is for psql, `guarded` has the row-level security that every
  /// table of the product has.
  static func prepare(_ owner: PostgresPool) async throws {
    try await owner.withConnection { connection in
      try await connection.execute(
        script: """
          create table accounts (id int primary key, balance int not null, filler text not null);
          insert into accounts select i, i, repeat('x', 84) from generate_series(1, \(accounts)) i;
          create table plain (tenant_id uuid not null, id bigint not null, kind text not null,
            body text not null, at timestamptz not null, primary key (tenant_id, id));
          create table guarded (like plain including all);
          create role bench_app nologin;
          alter table guarded enable row level security;
          alter table guarded force row level security;
          create policy one_tenant on guarded to bench_app
            using (tenant_id = (select current_setting('bindery.tenant_id', true)::uuid))
            with check (tenant_id = (select current_setting('bindery.tenant_id', true)::uuid));
          grant select, insert on guarded to bench_app;
          grant temporary on database postgres to bench_app
          """
      )
      try await connection.execute("vacuum analyze accounts")
    }
  }

  /// Statements/s over all connections.
  static func rate(of pool: PostgresPool, connections: Int, seconds: Int) async throws -> Double {
    let began = monotonicNanoseconds()
    let end = began + UInt64(seconds) * 1_000_000_000
    let count = try await withThrowingTaskGroup(of: Int.self) { group in
      for connection in 0 ..< connections {
        group.addTask {
          var random = UInt64(connection + 1) &* 0x9e37_79b9_7f4a_7c15
          var count = 0
          while monotonicNanoseconds() < end {
            random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            let id = Int32(random >> 33) % Int32(accounts) + 1
            let rows = try await pool.query("select balance from accounts where id = \(id)::int")
            guard try rows.first?.decode(0, as: Int32.self) == id else {
              throw BenchFailure("account \(id) has another balance")
            }
            count += 1
          }
          return count
        }
      }
      return try await group.reduce(0, +)
    }
    return Double(count) / (Double(monotonicNanoseconds() - began) / 1e9)
  }

  // MARK: - Bulk

  private static let tenant = UUID(uuid: (0, 0, 0, 0, 0, 0, 0x70, 0, 0x80, 0, 0, 0, 0, 0, 0, 1))
  private static let start = Date(timeIntervalSince1970: 1_790_000_000)

  private static func body(_ row: Int) -> String {
    "Row \(row): नमस्ते, what a message holds, with a tab\tand \"quotes\" \\ and so on, about as long as most."
  }

  /// The rows as psql reads them.
  static func write(_ rows: Int, to file: URL) throws {
    var text = ""
    for row in 0 ..< rows {
      let body = body(row).replacing("\\", with: "\\\\").replacing("\t", with: "\\t")
      let at = (start + Double(row)).ISO8601Format()
      text += "\(tenant)\t\(row)\tmessage\t\(body)\t\(at)\n"
    }
    try Data(text.utf8).write(to: file)
  }

  /// Seconds until the rows are committed under row-level security, which COPY can't write to: COPY
  /// into a temporary table, then INSERT … SELECT.
  static func bulk(_ rows: Int, by pool: PostgresPool) async throws -> Double {
    // As psql has its file, the texts are there before.
    let bodies = (0 ..< rows).map(body)
    let began = monotonicNanoseconds()
    let written = try await pool.withTransaction(
      settings: ["bindery.tenant_id": TenantID(tenant).description]
    ) { connection in
      try await connection.execute(
        """
        create temporary table incoming (tenant_id uuid, id bigint, kind text, body text,
          at timestamptz) on commit drop
        """
      )
      try await connection.copyIn(
        "copy incoming from stdin",
        rows: (0 ..< rows).lazy.map { row -> [any PostgresValue] in
          [tenant, row, "message", bodies[row], start + Double(row)]
        }
      )
      return try await connection.execute("insert into guarded select * from incoming")
    }
    guard written == rows else { throw BenchFailure("\(written) of \(rows) rows were written") }
    return Double(monotonicNanoseconds() - began) / 1e9
  }
}
