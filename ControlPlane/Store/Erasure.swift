package import Foundation

/// How many rows of one table an erasure removed, or kept without anything that names the person.
package struct ErasedRows: Hashable, Sendable, Codable {
  package var table: String
  package var removed: Int64
  package var keptAnonymous: Int64

  private enum CodingKeys: String, CodingKey {
    case table
    case removed
    case keptAnonymous = "kept_anonymous"
  }
}

/// What an erasure did, or would do.
package struct Erasure: Sendable {
  /// Nil for a dry run.
  package var receipt: ErasureReceipt?
  package var rows: [ErasedRows]
}

/// The proof of an erasure. Holds nothing of the person but a salted digest.
package struct ErasureReceipt: Hashable, Sendable {
  package var id: UUID
  package var erasedAt: Date
  /// Salted digest of the person; the same for the same one within a tenant.
  package var subject: String
  /// Canonical JSON (RFC 8785).
  package var json: String
  /// SHA-256 of the UTF-8 bytes of `json`.
  package var digest: String
  /// What came after the erasure from before it, and was dropped.
  package var lateInputs: Int64
  package var lateRecords: Int64
}
