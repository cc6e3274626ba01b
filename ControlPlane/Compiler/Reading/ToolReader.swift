internal import Codecs
internal import Domain
internal import Foundation
internal import JSONSchema

/// Reads an agent's tools.
struct ToolReader {
  /// "host:port" that may be reached without https and on private addresses; nil: any.
  let allowed: Set<String>?

  /// The tools without faults, and the names of all.
  func tools(in spec: SpecReader) -> ([ToolSpec], names: Set<String>) {
    var seen: Set<String> = []
    let tools = spec.mappings("tools", maxCount: 64).compactMap { _, reader in
      let tool = tool(reader)
      if let name = reader.value("name")?.stringValue, !seen.insert(name).inserted {
        reader.problems.add(
          "TOOL_DUP",
          at: reader.pointer("name"),
          "the tool '\(name.prefix(64))' is there twice",
          hint: "give each tool its own name"
        )
      }
      return tool
    }
    return (tools, seen)
  }

  private func tool(_ reader: SpecReader) -> ToolSpec? {
    let before = reader.problems.list.count
    reader.warnUnknown([
      "name", "description", "schema", "endpoint", "auth", "timeout_ms", "idempotent", "approval",
      "max_result_bytes", "redact",
    ])
    let name = reader.required("name", hint: "like lookup_order")
    let isName =
      (1 ... 64).contains(name.utf8.count)
      && name.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_" || $0 == "-") }
    if !name.isEmpty, !isName {
      reader.problems.add(
        "TOOL_BAD_NAME",
        at: reader.pointer("name"),
        got: .string(name),
        "no provider takes this name",
        hint: "use 1-64 of A-Z, a-z, 0-9, '_' and '-'"
      )
    }
    let schema = reader.value("schema") ?? ["type": "object"]
    do {
      _ = try JSONSchema(schema)
      if schema["type"] != "object" {
        reader.problems.add(
          "TOOL_BAD_SCHEMA",
          at: reader.pointer("schema"),
          "the arguments must be an object",
          hint: "write type: object"
        )
      }
    } catch {
      reader.problems.add(
        "TOOL_BAD_SCHEMA",
        at: reader.pointer("schema") + error.path,
        error.message,
        hint: "see JSON Schema 2020-12; nodes know the keywords for plain data"
      )
    }
    let (url, method) = endpoint(reader)
    let approval = reader.word("approval", of: ["never", "always"])
    let isIdempotent = reader.bool("idempotent", default: false)
    if reader.value("approval") == "never", !isIdempotent {
      reader.problems.add(
        "TOOL_APPROVAL_REQUIRED",
        at: reader.pointer("approval"),
        level: .warning,
        "after a turn has read a document or a tool's result, a call that can't be repeated needs approval",
        hint: "leave approval out, or write idempotent: true if calling it twice does no harm"
      )
    }
    let redact = reader.strings("redact")
    for (index, path) in redact.enumerated() where !isRedaction(path) {
      reader.problems.add(
        "CFG_CHOICE",
        at: "\(reader.pointer("redact"))/\(index)",
        got: .string(path),
        "not a path like $.a.b",
        hint: "start with $."
      )
    }
    let timeout = reader.int("timeout_ms", in: 100 ... 120_000, default: 8_000)
    let limit = reader.int("max_result_bytes", in: 1 ... 1_048_576, default: 32_768)
    let auth = auth(reader)
    guard reader.problems.list[before...].allSatisfy({ $0.level == .warning }) else { return nil }
    return ToolSpec(
      name: name,
      description: reader.string("description") ?? "",
      schema: schema,
      url: url,
      method: method,
      auth: auth,
      timeoutMS: Int(timeout),
      idempotent: isIdempotent,
      approval: approval,
      maxResultBytes: Int(limit),
      redact: redact
    )
  }

  /// `$.a.b`: the only form that nodes mask by.
  private func isRedaction(_ path: String) -> Bool {
    guard path.hasPrefix("$.") else { return false }
    return path.dropFirst(2).split(separator: ".", omittingEmptySubsequences: false).allSatisfy {
      !$0.isEmpty && $0.allSatisfy { $0.isLetter || $0.isNumber || $0 == "_" || $0 == "-" }
    }
  }

  private func endpoint(_ reader: SpecReader) -> (url: String, method: String) {
    var (text, method, path) = ("", "POST", reader.pointer("endpoint"))
    guard reader.value("endpoint") != nil else {
      reader.problems.add(
        "CFG_MISSING",
        at: path,
        "endpoint is missing",
        hint: "the URL that is called, like https://crm.example.in/orders"
      )
      return ("", method)
    }
    if let bare = reader.value("endpoint")?.stringValue {
      text = bare
    } else {
      let endpoint = reader.object("endpoint")
      endpoint.warnUnknown(["url", "method"])
      if endpoint.members.isEmpty, reader.value("endpoint")?.objectValue == nil {
        return ("", method)
      }
      text = endpoint.required("url", hint: "https://…")
      method = endpoint.word("method", of: ["POST", "GET", "PUT", "PATCH", "DELETE"])
      path = endpoint.pointer("url")
    }
    guard !text.isEmpty else { return ("", method) }
    guard let url = URLComponents(string: text), let host = url.host, !host.isEmpty,
      let scheme = url.scheme?.lowercased(), scheme == "https" || scheme == "http"
    else {
      reader.problems.add(
        "TOOL_INSECURE_URL",
        at: path,
        "this is no URL of a web service",
        hint: "write https://host/path"
      )
      return ("", method)
    }
    if url.user != nil || url.password != nil {
      reader.problems.add(
        "TOOL_INLINE_SECRET",
        at: path,
        "the URL holds a login",
        hint: "use auth with a secret_ref"
      )
    }
    let authority = "\(host.lowercased()):\(url.port ?? (scheme == "https" ? 443 : 80))"
    guard let allowed, !allowed.contains(authority) else { return (text, method) }
    if scheme == "http" {
      reader.problems.add(
        "TOOL_INSECURE_URL",
        at: path,
        got: .string(authority),
        "http is not allowed here",
        hint: "use https, or start the daemons with --tool-allow \(authority)"
      )
    }
    if Self.isPrivate(host.lowercased()) {
      reader.problems.add(
        "TOOL_PRIVATE_HOST",
        at: path,
        got: .string(authority),
        "the host is on a private network",
        hint: "use a public host, or start the daemons with --tool-allow \(authority)"
      )
    }
    return (text, method)
  }

  /// What is plainly private by its text; a node checks what names resolve to.
  ///
  /// Addresses in any form count: all of IPv6, and IPv4 also as one number, in hex and in octal, as
  /// resolvers read them (inet_aton(3)).
  private static func isPrivate(_ host: String) -> Bool {
    let host = host.hasSuffix(".") ? String(host.dropLast()) : host
    if ["localhost", "internal", "local", "lan", "home", "intranet"].contains(where: {
      host == $0 || host.hasSuffix(".\($0)")
    }) {
      return true
    }
    if host.contains(":") || host.hasPrefix("[") { return true }
    guard let octets = octets(of: host) else { return false }
    return octets[0] == 10 || octets[0] == 127 || octets[0] == 0 || octets[0] >= 224
      || (octets[0] == 172 && (16 ... 31).contains(octets[1]))
      || (octets[0] == 192 && octets[1] == 168)
      || (octets[0] == 169 && octets[1] == 254)
      || (octets[0] == 100 && (64 ... 127).contains(octets[1]))
  }

  private static func octets(of host: String) -> [UInt8]? {
    let parts = host.split(separator: ".", omittingEmptySubsequences: false)
    guard (1 ... 4).contains(parts.count) else { return nil }
    var numbers: [UInt32] = []
    for part in parts {
      let isHex = part.hasPrefix("0x")
      let isOctal = !isHex && part.count > 1 && part.hasPrefix("0")
      let digits = isHex ? part.dropFirst(2) : part
      guard let number = UInt32(digits, radix: isHex ? 16 : isOctal ? 8 : 10) else { return nil }
      numbers.append(number)
    }
    // The last part fills all bytes that the others leave.
    let last = numbers.removeLast()
    guard numbers.allSatisfy({ $0 < 256 }),
      numbers.count == 0 || last >> (32 - 8 * numbers.count) == 0
    else { return nil }
    let address = numbers.enumerated().reduce(last) {
      $0 | $1.element << UInt32(24 - 8 * $1.offset)
    }
    return [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: address >> $0) }
  }

  private func auth(_ reader: SpecReader) -> ToolSpec.Auth? {
    guard let written = reader.value("auth") else { return nil }
    guard written.objectValue != nil else {
      // A token, probably: it isn't shown.
      reader.problems.add(
        "TOOL_INLINE_SECRET",
        at: reader.pointer("auth"),
        "auth is a mapping that names a secret",
        hint: "write {type: bearer, secret_ref: NAME}; the value lives on the nodes"
      )
      return nil
    }
    let auth = reader.object("auth")
    auth.warnUnknown(["type", "header", "secret_ref"])
    let type = auth.word("type", of: ["bearer", "header", "basic"])
    if auth.value("secret_ref") == nil {
      auth.problems.add(
        "TOOL_INLINE_SECRET",
        at: auth.pointer("secret_ref"),
        "secret_ref is missing",
        hint: "name the secret; its value lives on the nodes"
      )
    }
    let header = auth.string("header")
    if type == "header", header == nil {
      auth.problems.add(
        "CFG_MISSING",
        at: auth.pointer("header"),
        "header is missing",
        hint: "name it, like X-Api-Key"
      )
    }
    return ToolSpec.Auth(
      type: type,
      header: header,
      secretRef: secretRef(auth, "secret_ref", default: "")
    )
  }
}
