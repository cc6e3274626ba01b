internal import Codecs
internal import Crypto
internal import Domain
internal import Foundation

/// Writes one JSON document, a row a line, in pieces that stay small.
struct ExportDocument {
  private let write: @Sendable (Data) async throws -> Void
  private var pending = Data()
  private var hash = SHA256()
  private var counts: [String: JSONValue] = [:]
  private var table: (name: String, rows: Int64)?
  /// Over all tables.
  private(set) var rows: Int64 = 0
  /// A piece is sent when it has grown over this.
  private let pieceSize = 64 * 1024

  init(write: @Sendable @escaping (Data) async throws -> Void) {
    self.write = write
  }

  mutating func begin(tenant: String, subject: String, at time: Date) async throws {
    let head = try CanonicalJSON.encode(
      JSONValue.object([
        "format": "bindery.user-export/1", "tenant": .string(tenant),
        "subject": .string(subject), "exported_at": .string(time.formatted(.iso8601)),
      ])
    )
    try await add("\(head.dropLast()),\n\"tables\":{\n")
  }

  mutating func beginTable(_ name: String) async throws {
    let separator = counts.isEmpty ? "" : ",\n"
    table = (name, 0)
    counts[name] = .int(0)
    try await add("\(separator)\"\(name)\":[")
  }

  /// - Parameter json: an object; a line.
  mutating func add(row json: String) async throws {
    guard let (name, count) = table else { return }
    table = (name, count + 1)
    rows += 1
    try await add(count == 0 ? "\n\(json)" : ",\n\(json)")
  }

  mutating func endTable() async throws {
    guard let (name, count) = table else { return }
    counts[name] = .int(count)
    table = nil
    try await add("]")
  }

  /// The last line stands outside of the digest.
  mutating func end() async throws {
    try await add("},\n")
    let digest = hash.finalize().map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }
    let tail = try CanonicalJSON.encode(
      JSONValue.object(["counts": .object(counts), "sha256": .string(digest.joined())])
    )
    try await add("\(tail.dropFirst())\n")
    if !pending.isEmpty { try await write(pending) }
    pending = Data()
  }

  private mutating func add(_ text: String) async throws {
    let bytes = Data(text.utf8)
    hash.update(data: bytes)
    pending.append(bytes)
    guard pending.count > pieceSize else { return }
    // A row may be large: no piece is.
    var rest = pending[...]
    while rest.count > pieceSize {
      try await write(Data(rest.prefix(pieceSize)))
      rest = rest.dropFirst(pieceSize)
    }
    pending = Data(rest)
  }
}
