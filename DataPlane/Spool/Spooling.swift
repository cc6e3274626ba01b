package import Wire

/// Where a turn's record goes before anything else: on disk, fsynced.
package protocol Spooling: Sendable {
  /// Returns when the record is on disk, with its sequence.
  ///
  /// - Throws: `SpoolError` when the disk is full, the spool is at its limit, or an fsync failed.
  func append(_ record: Bindery_V1_TurnRecord) async throws -> UInt64

  /// CommitTurn stored the record: it need not be sent again.
  func markCommitted(_ sequence: UInt64) async

  /// False once the spool is full or broken: the node is not ready.
  var isAccepting: Bool { get }
}

/// Messages taken in while the control plane is away, kept until it has them.
package protocol Inboxing: Sendable {
  /// Returns when the message is on disk. The payload is a serialised `AcceptRequest`.
  ///
  /// Returns false for one seen before: duplicates by (conversation's tenant, channel account,
  /// provider message id), per node.
  func append(_ request: Bindery_V1_AcceptRequest) async throws -> Bool

  /// Its turn's record is in the spool: the inbox need not keep it.
  func settle(_ inputID: [UInt8]) async throws
}
