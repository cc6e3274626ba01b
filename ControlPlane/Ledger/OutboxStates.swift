package import Wire

/// How the states of a send stand in column `outbox.state`.
package enum OutboxStates {
  /// - Throws: `TurnRecordError` for a state that this program does not know.
  package static func column(_ state: Bindery_V1_OutboxState) throws -> String {
    switch state {
    case .pending: return "pending"
    case .sent: return "sent"
    case .ambiguous: return "ambiguous"
    case .held: return "held"
    case .failed: return "failed"
    default: throw TurnRecordError.malformed("outbox.state")
    }
  }

  package static func wire(_ column: String) -> Bindery_V1_OutboxState {
    switch column {
    case "pending": .pending
    case "sent": .sent
    case "ambiguous": .ambiguous
    case "held": .held
    case "failed": .failed
    default: .unspecified
    }
  }
}
