/// What must hold; design: distribution, "Invariants" and "Switches".
package enum Rule: String, Hashable, Sendable, CaseIterable {
  /// Data revisions of a stream only rise, and each starts where the node stands.
  case order
  /// What a node holds is one revision, whole: in the scope, all of it, in the form of that revision.
  case wholeRevision
  /// A retained cursor is resumed from, with what changed since and nothing else, never in another store.
  case resume
  /// What a node can serve is not refused, what it refused is not sent again, and what it refuses it says.
  case rejection
  /// One delta names a key once.
  case coalescing
  /// Nothing outside of a node's scope reaches it.
  case scope
  /// A lease that counts on a switch being known comes after the switch.
  case leaseAfterSwitch
  /// Under `refuse`, no turn starts later than a lease after a switch.
  case leaseBound
  /// Once a node has heard of a switch, a lower one never undoes it; an acknowledged one outlasts a crash.
  case switchUndone
  /// What is acknowledged is on disk.
  case diskBeforeAck
  /// A switch leaves the cursor where it is.
  case controlMovesCursor
  /// A node boots from its disk with what it wrote.
  case boot
  /// Nodes come back in a bounded time, and not all at once.
  case reconnect
  /// A node holds a rollout's candidate exactly when it is for it, and nobody outside of the cohort gets it.
  case cohort
  /// Left alone, all nodes come to hold what the store holds.
  case convergence
}

/// A rule that was broken.
package struct Violation: Error, Hashable, Sendable, CustomStringConvertible {
  package var rule: Rule
  package var what: String

  package var description: String { "\(rule.rawValue): \(what)" }
}
