/// Rows in COPY's text format (PostgreSQL manual, "COPY", File Formats).
struct CopyEncoder: Sendable {
  private(set) var bytes: [UInt8] = []
  let statement: String?

  init(statement: String?) {
    self.statement = statement
  }

  /// Throws a `PostgresError` of kind `encode` for a value that PostgreSQL cannot hold.
  mutating func append(_ row: [any PostgresValue]) throws {
    for (index, value) in row.enumerated() {
      if index > 0 { bytes.append(UInt8(ascii: "\t")) }
      switch value.postgresParameter.content {
      case .null: bytes += [UInt8(ascii: "\\"), UInt8(ascii: "N")]
      case .text(let text): appendEscaped(text.utf8)
      case .bytes(let value): appendEscaped(hexText(value))
      case .invalid(let reason): throw PostgresError(.encode, reason, statement: statement)
      }
    }
    bytes.append(UInt8(ascii: "\n"))
  }

  mutating func takeBytes() -> [UInt8] {
    defer { bytes.removeAll(keepingCapacity: true) }
    return bytes
  }

  private mutating func appendEscaped(_ text: some Sequence<UInt8>) {
    for byte in text {
      switch byte {
      case UInt8(ascii: "\\"): bytes += [UInt8(ascii: "\\"), byte]
      case UInt8(ascii: "\t"): bytes += [UInt8(ascii: "\\"), UInt8(ascii: "t")]
      case UInt8(ascii: "\n"): bytes += [UInt8(ascii: "\\"), UInt8(ascii: "n")]
      case UInt8(ascii: "\r"): bytes += [UInt8(ascii: "\\"), UInt8(ascii: "r")]
      default: bytes.append(byte)
      }
    }
  }
}
