/// Why a stream is ended: the node broke the protocol.
package struct WatchFault: Error, Hashable, Sendable, CustomStringConvertible {
  package enum Code: String, Hashable, Sendable {
    /// Something came before Hello.
    case helloMissing = "HELLO_MISSING"
    /// A second Hello.
    case helloTwice = "HELLO_TWICE"
    /// A field of Hello breaks the rules that stand beside it in the proto.
    case malformedHello = "MALFORMED_HELLO"
    /// An id is not 16 bytes.
    case malformedID = "MALFORMED_ID"
    /// The node is ahead of this replica, which does not catch up: another one may be.
    case replicaBehind = "REPLICA_BEHIND"
    /// An acknowledgement of a revision that was not sent on this stream.
    case unknownRevision = "UNKNOWN_REVISION"
    /// An oneof without a known case.
    case unknownMessage = "UNKNOWN_MESSAGE"
  }

  package var code: Code
  /// Names the field, never its content.
  package var what: String

  package init(_ code: Code, _ what: String) {
    self.code = code
    self.what = what
  }

  package var description: String { "\(code.rawValue): \(what)" }

  package static func == (a: Self, b: Self) -> Bool { a.code == b.code }

  package func hash(into hasher: inout Hasher) { hasher.combine(code) }
}
