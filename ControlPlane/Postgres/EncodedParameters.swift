/// A statement's values in the form that libpq takes: one buffer, and where each value begins.
struct EncodedParameters: Sendable {
  private var buffer: [UInt8] = []
  private var offsets: [Int?] = []
  private var lengths: [Int32] = []
  private var formats: [Int32] = []
  private(set) var types: [UInt32] = []

  /// Throws a `PostgresError` of kind `encode` for a value that PostgreSQL cannot hold.
  init(_ sql: SQL) throws {
    // The protocol counts parameters in 16 bits.
    guard sql.parameters.count <= 65_535 else {
      throw PostgresError(.encode, "more than 65535 values", statement: sql.name)
    }
    for parameter in sql.parameters {
      types.append(parameter.type)
      switch parameter.content {
      case .null:
        add(offset: nil, length: 0, format: 0)
      case .text(let text):
        add(offset: buffer.count, length: text.utf8.count, format: 0)
        buffer += text.utf8
        buffer.append(0)
      case .bytes(let bytes):
        add(offset: buffer.count, length: bytes.count, format: 1)
        buffer += bytes
        // So that an empty value has an address of its own, too.
        buffer.append(0)
      case .invalid(let reason):
        throw PostgresError(.encode, reason, statement: sql.name)
      }
    }
  }

  private mutating func add(offset: Int?, length: Int, format: Int32) {
    offsets.append(offset)
    lengths.append(Int32(clamping: length))
    formats.append(format)
  }

  var count: Int32 { Int32(offsets.count) }

  /// Calls `body` with values, lengths and formats.
  func withPointers<R>(
    _ body: (
      UnsafePointer<UnsafePointer<CChar>?>?, UnsafePointer<Int32>?, UnsafePointer<Int32>?
    ) -> R
  ) -> R {
    buffer.withUnsafeBytes { bytes in
      let base = bytes.baseAddress?.assumingMemoryBound(to: CChar.self)
      let values = offsets.map { offset in offset.flatMap { offset in base.map { $0 + offset } } }
      return values.withUnsafeBufferPointer { values in
        lengths.withUnsafeBufferPointer { lengths in
          formats.withUnsafeBufferPointer { formats in
            body(values.baseAddress, lengths.baseAddress, formats.baseAddress)
          }
        }
      }
    }
  }
}
