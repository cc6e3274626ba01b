internal import Codecs
internal import Domain
internal import Foundation
internal import Postgres

/// JSON on its way to and from `jsonb` columns.
enum JSONText {
  /// Compact text with sorted keys.
  static func encode(_ value: some Encodable) throws -> PostgresJSON {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return PostgresJSON(String(decoding: try encoder.encode(value), as: UTF8.self))
  }

  /// - Parameter what: names the row in `StoreError.corrupt`.
  static func decode<T: Decodable>(
    _ json: PostgresJSON,
    as type: T.Type = T.self,
    what: @autoclosure () -> String
  ) throws -> T {
    do {
      return try JSONDecoder().decode(T.self, from: Data(json.text.utf8))
    } catch {
      throw StoreError.corrupt(what: what())
    }
  }

  /// Any value. Reads what our own parser takes, which is most of it, some times faster.
  ///
  /// - Parameter what: names the row in `StoreError.corrupt`.
  static func value(_ json: PostgresJSON, what: @autoclosure () -> String) throws -> JSONValue {
    do {
      return try Codecs.JSONText.parse(json.text)
    } catch {
      return try decode(json, what: what())
    }
  }
}
