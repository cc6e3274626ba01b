/// A tool that a model may call: an HTTP endpoint with a JSON Schema for its arguments.
package struct ToolSpec: Hashable, Sendable, Codable {
  /// `^[a-zA-Z0-9_-]{1,64}$`, the strictest of the providers' rules.
  package var name: String
  package var description: String
  /// JSON Schema of the arguments.
  package var schema: JSONValue
  package var url: String
  /// "GET", "POST", "PUT", "PATCH" or "DELETE".
  package var method: String
  package var auth: Auth?
  /// For the whole call, in ms.
  package var timeoutMS: Int
  /// True: may be repeated after a crash, with the same key.
  package var idempotent: Bool
  /// "never" or "always".
  package var approval: String
  package var maxResultBytes: Int
  /// JSONPaths (`$.a.b` only) that are masked in records.
  package var redact: [String]

  package struct Auth: Hashable, Sendable, Codable {
    /// "bearer", "header" or "basic".
    package var type: String
    /// Name of the header for "header".
    package var header: String?
    /// Reference, resolved on the node; never a value.
    package var secretRef: String

    package init(type: String, header: String?, secretRef: String) {
      self.type = type
      self.header = header
      self.secretRef = secretRef
    }

    private enum CodingKeys: String, CodingKey {
      case type
      case header
      case secretRef = "secret_ref"
    }
  }

  package init(
    name: String,
    description: String,
    schema: JSONValue,
    url: String,
    method: String,
    auth: Auth?,
    timeoutMS: Int,
    idempotent: Bool,
    approval: String,
    maxResultBytes: Int,
    redact: [String]
  ) {
    self.name = name
    self.description = description
    self.schema = schema
    self.url = url
    self.method = method
    self.auth = auth
    self.timeoutMS = timeoutMS
    self.idempotent = idempotent
    self.approval = approval
    self.maxResultBytes = maxResultBytes
    self.redact = redact
  }

  private enum CodingKeys: String, CodingKey {
    case name
    case description
    case schema
    case url
    case method
    case auth
    case timeoutMS = "timeout_ms"
    case idempotent
    case approval
    case maxResultBytes = "max_result_bytes"
    case redact
  }
}
