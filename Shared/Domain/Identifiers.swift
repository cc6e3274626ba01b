package import Foundation

/// A UUID that knows what it names, so that a tenant's id can't be passed where a binding's is due.
///
/// On the wire 16 bytes (RFC 9562, network order); in text lower-case and hyphenated.
package struct ID<Kind>: Hashable, Sendable, Comparable, Codable, CustomStringConvertible {
  package let uuid: UUID

  package init(_ uuid: UUID) { self.uuid = uuid }

  /// Parses the hyphenated text form; nil for anything else.
  package init?(_ text: String) {
    guard let uuid = UUID(text: text.utf8) else { return nil }
    self.uuid = uuid
  }

  /// Reads 16 bytes; nil for any other count.
  package init?(bytes: some Collection<UInt8>) {
    guard bytes.count == 16 else { return nil }
    let b = Array(bytes)
    self.uuid = UUID(
      uuid: (
        b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7],
        b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]
      )
    )
  }

  /// The 16 bytes in network order.
  package var bytes: [UInt8] { withUnsafeBytes(of: uuid.uuid) { Array($0) } }

  /// The 16 bytes as Foundation's `Data`, for protobuf fields.
  package var data: Data { Data(bytes) }

  package var description: String { uuid.text }

  package static func < (a: Self, b: Self) -> Bool { a.uuid < b.uuid }

  package init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    let text = try container.decode(String.self)
    guard let id = Self(text) else {
      throw DecodingError.dataCorruptedError(in: container, debugDescription: "not a UUID")
    }
    self = id
  }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(description)
  }
}

package enum TenantKind {}
package enum HumanKind {}
package enum TeamKind {}
package enum AgentKind {}
package enum BindingKind {}
package enum UserKind {}
package enum SessionKind {}
package enum MessageKind {}
package enum TurnKind {}
package enum InputKind {}
package enum OutboxKind {}
package enum CallKind {}

package typealias TenantID = ID<TenantKind>
package typealias HumanID = ID<HumanKind>
package typealias TeamID = ID<TeamKind>
package typealias AgentID = ID<AgentKind>
package typealias BindingID = ID<BindingKind>
package typealias UserID = ID<UserKind>
package typealias SessionID = ID<SessionKind>
package typealias MessageID = ID<MessageKind>
package typealias TurnID = ID<TurnKind>
package typealias InputID = ID<InputKind>
package typealias OutboxID = ID<OutboxKind>
/// A model call, tool call or violation.
package typealias CallID = ID<CallKind>
