internal import Foundation

/// Named figures of a run, in order.
struct FleetReport {
  let title: String
  private var rows: [(name: String, value: Double, places: Int)] = []

  init(title: String) { self.title = title.trimmingCharacters(in: .whitespacesAndNewlines) }

  mutating func add(_ name: String, _ value: Double, _ places: Int = 0) {
    rows.append((name, value, places))
  }

  var text: String {
    var table = TextTable([title, ""])
    for row in rows { table.add([row.name, decimals(row.value, row.places)]) }
    return table.text
  }

  func json() throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
    let values = Dictionary(rows.map { ($0.name, $0.value) }, uniquingKeysWith: { $1 })
    return String(decoding: try encoder.encode(values), as: UTF8.self)
  }
}
