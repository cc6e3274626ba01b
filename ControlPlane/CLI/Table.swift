internal import Foundation

/// Columns that align, whatever script the cells are in.
struct Table {
  enum Alignment {
    case left
    case right
  }

  private let headers: [String]
  private let alignments: [Alignment]
  private var rows: [[String]] = []

  init(_ columns: [(String, Alignment)]) {
    headers = columns.map(\.0)
    alignments = columns.map(\.1)
  }

  mutating func add(_ cells: [String]) {
    rows.append(cells.map(\.oneLine))
  }

  /// Header and rows, two spaces between columns, nothing behind the last.
  var lines: [String] {
    let all = [headers] + rows
    let widths = headers.indices.map { column in
      all.map { row in column < row.count ? Self.width(of: row[column]) : 0 }.max() ?? 0
    }
    return all.map { row in
      let cells = headers.indices.map { column in
        let cell = column < row.count ? row[column] : ""
        let padding = String(repeating: " ", count: widths[column] - Self.width(of: cell))
        return alignments[column] == .left ? cell + padding : padding + cell
      }
      let line = cells.joined(separator: "  ")
      return String(line.reversed().drop(while: { $0 == " " }).reversed())
    }
  }

  /// Terminal columns: marks that combine take none, East Asian wide characters and emoji two.
  static func width(of text: String) -> Int {
    text.unicodeScalars.reduce(0) { sum, scalar in
      switch scalar.properties.generalCategory {
      case .nonspacingMark, .enclosingMark, .format, .control: sum
      default: sum + (isWide(scalar) ? 2 : 1)
      }
    }
  }

  private static func isWide(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0x1100 ... 0x115F, 0x2E80 ... 0xA4CF, 0xAC00 ... 0xD7A3, 0xF900 ... 0xFAFF,
      0xFE30 ... 0xFE6F,
      0xFF00 ... 0xFF60, 0xFFE0 ... 0xFFE6, 0x1F300 ... 0x1FAFF:
      true
    default: false
    }
  }
}

extension String {
  /// What others wrote, without what could move a terminal's cursor, turn its text around, or break a
  /// table.
  var oneLine: String {
    guard unicodeScalars.contains(where: Self.isUnfit) else { return self }
    return String(String.UnicodeScalarView(unicodeScalars.map { Self.isUnfit($0) ? " " : $0 }))
  }

  private static func isUnfit(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .control, .lineSeparator, .paragraphSeparator: true
    // Marks of direction; joiners of Indic scripts and emoji are no harm.
    case .format:
      (0x202A ... 0x202E).contains(scalar.value) || (0x2066 ... 0x2069).contains(scalar.value)
    default: false
    }
  }
}
