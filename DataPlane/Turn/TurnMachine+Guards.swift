internal import Domain
internal import Foundation
internal import Guardrails
internal import Models
internal import Wire

extension TurnMachine {
  /// Where the turn stands, for the check of a text.
  var moment: GuardedMoment {
    var moment = GuardedMoment(address: plan.address)
    switch state {
    case .guardingArguments(let call): moment.tool = call.name
    case .guardingInput: moment.arrivals = arrivals
    default: break
    }
    return moment
  }

  private var arrivals: [ArrivalTable.Arrival] {
    guard let ground else { return [] }
    let earlier = ground.history.filter(\.inbound).map { ($0.messageID, $0.createdAtMs) }
    let new = ground.inputs.map { ($0.messageID, $0.receivedAtMs) }
    return (earlier + new).map { id, atMS in
      // The random half of a UUIDv7.
      let id = id.suffix(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
      return ArrivalTable.Arrival(id: id, atMS: atMS)
    }
  }
}
