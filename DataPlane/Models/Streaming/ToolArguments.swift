internal import Codecs
internal import Domain

/// A call's arguments, as vendors want to see them again.
enum ToolArguments {
  /// APIs take objects only; what the model wrote may be anything.
  static func object(_ argumentsJSON: String) -> JSONValue {
    do {
      let value = try JSONText.parse(argumentsJSON)
      return value.objectValue == nil ? .object([:]) : value
    } catch {
      return .object([:])
    }
  }
}
