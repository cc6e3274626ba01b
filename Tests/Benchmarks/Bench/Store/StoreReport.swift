internal import Foundation

/// What `bindery-bench store` found: medians of the rounds.
struct StoreReport {
  struct Statements {
    let connections: Int
    var ours: [Double] = []
    var pgbench: [Double] = []
  }

  struct Bulk {
    var rows = 0
    /// Rows/s.
    var ours: [Double] = []
    var psql: [Double] = []
  }

  let server: String
  var statements: [Statements] = []
  var bulk = Bulk()

  private static func median(_ values: [Double]) -> Double {
    let sorted = values.sorted()
    return sorted.isEmpty ? 0 : sorted[sorted.count / 2]
  }

  private static func ratio(_ a: [Double], _ b: [Double]) -> Double {
    let whole = median(b)
    return whole > 0 ? median(a) / whole : 0
  }

  var text: String {
    var table = TextTable(["PostgreSQL \(server)", "ours", "its own", "ratio"])
    for row in statements {
      table.add([
        "statements/s, \(row.connections) connections (pgbench)",
        decimals(Self.median(row.ours), 0), decimals(Self.median(row.pgbench), 0),
        decimals(Self.ratio(row.ours, row.pgbench), 2),
      ])
    }
    table.add([
      "rows/s in bulk, \(bulk.rows) rows (psql \\copy)", decimals(Self.median(bulk.ours), 0),
      decimals(Self.median(bulk.psql), 0), decimals(Self.ratio(bulk.ours, bulk.psql), 2),
    ])
    return table.text
  }

  private struct Row: Encodable {
    var connections: Int?
    var rows: Int?
    let ours: Double
    let peer: Double
    let ratio: Double
  }

  private struct Document: Encodable {
    let server: String
    let statements_per_s: [Row]
    let bulk_rows_per_s: Row
  }

  func json() throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
    let document = Document(
      server: server,
      statements_per_s: statements.map {
        Row(
          connections: $0.connections,
          ours: Self.median($0.ours),
          peer: Self.median($0.pgbench),
          ratio: Self.ratio($0.ours, $0.pgbench)
        )
      },
      bulk_rows_per_s: Row(
        rows: bulk.rows,
        ours: Self.median(bulk.ours),
        peer: Self.median(bulk.psql),
        ratio: Self.ratio(bulk.ours, bulk.psql)
      )
    )
    return String(decoding: try encoder.encode(document), as: UTF8.self)
  }
}
