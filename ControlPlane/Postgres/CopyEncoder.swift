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
      case .text(var text): text.withUTF8 { appendEscaped($0) }
      case .bytes(let value): hexText(value).withUnsafeBufferPointer { appendEscaped($0) }
      case .invalid(let reason): throw PostgresError(.encode, reason, statement: statement)
      }
    }
    bytes.append(UInt8(ascii: "\n"))
  }

  mutating func takeBytes() -> [UInt8] {
    defer { bytes.removeAll(keepingCapacity: true) }
    return bytes
  }

  /// What needs no escape, which is most of a text, goes over in one piece.
  private mutating func appendEscaped(_ text: UnsafeBufferPointer<UInt8>) {
    var start = text.startIndex
    for (index, byte) in text.enumerated() {
      let letter: UInt8
      switch byte {
      case UInt8(ascii: "\\"): letter = byte
      case UInt8(ascii: "\t"): letter = UInt8(ascii: "t")
      case UInt8(ascii: "\n"): letter = UInt8(ascii: "n")
      case UInt8(ascii: "\r"): letter = UInt8(ascii: "r")
      default: continue
      }
      bytes.append(contentsOf: text[start ..< index])
      bytes.append(UInt8(ascii: "\\"))
      bytes.append(letter)
      start = index + 1
    }
    bytes.append(contentsOf: text[start...])
  }
}
