package import Foundation

/// Who makes a call, and from where: the audit log takes it from the task that makes the change.
package struct AuditOrigin: Hashable, Sendable {
  /// For people: a token's name, or that of whoever calls a control plane that asks nobody.
  package var actor: String
  /// Public id of the token or certificate; empty when nobody was asked.
  package var actorID: String
  package var role: String
  /// As gRPC names it.
  package var peer: String

  package init(actor: String = "", actorID: String = "", role: String = "", peer: String = "") {
    self.actor = actor
    self.actorID = actorID
    self.role = role
    self.peer = peer
  }

  @TaskLocal package static var current = AuditOrigin()

  /// What a transaction says of itself for the log.
  ///
  /// - Parameters:
  ///   - author: Stands in for the actor where the call has none.
  ///   - commit: Of the configuration, if it makes one.
  package static func settings(
    author: String = "",
    reason: String = "",
    commit: UUID? = nil
  ) -> [String: String] {
    let origin = current
    return [
      "bindery.audit_actor": origin.actor.isEmpty ? author : origin.actor,
      "bindery.audit_actor_id": origin.actorID, "bindery.audit_role": origin.role,
      "bindery.audit_peer": origin.peer, "bindery.audit_reason": reason,
      "bindery.audit_commit": commit?.uuidString.lowercased() ?? "",
    ]
  }
}
