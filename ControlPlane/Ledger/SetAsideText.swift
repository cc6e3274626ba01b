internal import Domain
package import Foundation
internal import SwiftProtobuf
internal import Wire

/// What was set aside, for people to read.
package enum SetAsideText {
  /// A record as JSON text; one that cannot be read as a string in base64.
  package static func json(of record: Data) throws -> String {
    do {
      return try Bindery_V1_TurnRecord(serializedBytes: record).jsonString()
    } catch {
      return "\"\(record.base64EncodedString())\""
    }
  }
}
