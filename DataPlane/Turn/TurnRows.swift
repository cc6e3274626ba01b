internal import Domain
package import Foundation
package import Guardrails
internal import Subscription
package import Tools
package import Wire

/// Collects what a turn leaves behind, with ids minted beforehand.
package struct TurnRows: Sendable {
  package private(set) var modelCalls: [Bindery_V1_ModelCallRecord] = []
  package private(set) var toolCalls: [Bindery_V1_ToolCallRecord] = []
  package private(set) var violations: [Bindery_V1_ViolationRecord] = []

  package init() {}

  package var isEmpty: Bool { modelCalls.isEmpty && toolCalls.isEmpty && violations.isEmpty }

  package mutating func add(_ attempts: [Bindery_V1_ModelCallRecord]) {
    modelCalls += attempts
  }

  package mutating func add(
    _ outcome: GuardrailOutcome,
    outboundBlocked: Bool,
    atMS now: Int64,
    mint: () -> UUID
  ) {
    for violation in outcome.violations {
      var row = Bindery_V1_ViolationRecord()
      row.violationID = CallID(mint()).data
      row.tier = violation.tier
      row.ruleID = violation.ruleID
      row.severity = violation.severity.rawValue
      let isWithheld =
        violation.severity == .block || violation.ruleID == outcome.regenerate?.ruleID
      row.outboundWasBlocked = outboundBlocked && isWithheld
      var context: [String: JSONValue] = [
        "stage": .string(violation.stage.rawValue), "sha256": .string(violation.digest),
      ]
      if let range = violation.range {
        context["start"] = .int(Int64(range.lowerBound))
        context["end"] = .int(Int64(range.upperBound))
      }
      row.contextJson = RowJSON.text(.object(context))
      row.createdAtMs = now
      violations.append(row)
    }
  }

  package mutating func add(
    tool name: String,
    outcome: ToolOutcome,
    messageID: Data,
    atMS now: Int64,
    mint: () -> UUID
  ) {
    var row = Bindery_V1_ToolCallRecord()
    row.callID = CallID(mint()).data
    row.messageID = messageID
    row.toolName = name
    row.argsJson = outcome.recordedArgumentsJSON
    row.resultJson = outcome.recordedResultJSON
    row.latencyMs = Int32(clamping: outcome.latencyMS)
    row.error = outcome.error
    row.createdAtMs = now
    toolCalls.append(row)
  }
}

/// JSON for row columns: keys in order, so that equal rows have equal bytes.
enum RowJSON {
  static func text(_ value: JSONValue) -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    do {
      return String(decoding: try encoder.encode(value), as: UTF8.self)
    } catch {
      // Only a number without a JSON form (NaN) can fail, and no row holds one.
      return "{}"
    }
  }
}

extension TurnPlan {
  /// A bundle with everything but rows.
  func record(
    ground: TurnGround,
    rows: TurnRows,
    outcome: Bindery_V1_TurnOutcome,
    atMS now: Int64
  ) -> Bindery_V1_TurnRecord {
    var record = Bindery_V1_TurnRecord()
    record.turnID = ground.turnID.data
    record.tenantID = address.tenantID.data
    record.bindingID = address.bindingID.data
    record.bindingDigest = binding.digest.data
    record.revision = revision.value
    record.pins = wirePins
    record.session = ground.session
    record.session.lastActiveAtMs = max(record.session.lastActiveAtMs, now)
    record.modelCalls = rows.modelCalls
    record.toolCalls = rows.toolCalls
    record.violations = rows.violations
    record.degraded = ground.isDegraded
    record.outcome = outcome
    return record
  }

  private var wirePins: Bindery_V1_Pins {
    let pins = binding.binding.pins
    var wire = Bindery_V1_Pins()
    wire.humanVersion = pins.humanVersion
    wire.teamVersion = pins.teamVersion
    wire.agentVersion = pins.agentVersion
    wire.humanID = pins.humanID.data
    wire.teamID = pins.teamID.data
    wire.agentID = pins.agentID.data
    return wire
  }
}

extension TurnGround {
  var inputRecords: [Bindery_V1_InputRecord] {
    inputs.map { input in
      var row = Bindery_V1_InputRecord()
      row.inputID = input.inputID
      row.messageID = input.messageID
      row.channelAccount = input.channelAccount
      row.providerMessageID = input.providerMessageID
      row.receivedAtMs = input.receivedAtMs
      return row
    }
  }

  var inboundRows: [Bindery_V1_MessageRecord] {
    inputs.map { input in
      var row = Bindery_V1_MessageRecord()
      row.messageID = input.messageID
      row.inbound = true
      row.body = input.body
      row.createdAtMs = input.receivedAtMs
      row.providerMessageID = input.providerMessageID
      row.metadataJson = input.metadataJson
      return row
    }
  }
}
