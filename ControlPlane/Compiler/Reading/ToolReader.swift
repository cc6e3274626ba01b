internal import Codecs
internal import Domain
internal import Foundation
internal import JSONSchema

/// Reads an agent's tools.
struct ToolReader {
  /// "host:port" that may be reached without https and on private addresses; nil: any.
  let allowed: Set<String>?

  func tools(in spec: SpecReader) -> [ToolSpec] {
    var seen: Set<String> = []
    return spec.objects("tools", maxCount: 64).compactMap { reader in
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
    let approval = reader.string("approval") ?? "never"
    if approval != "never", approval != "always" {
      reader.problems.add(
        "CFG_CHOICE",
        at: reader.pointer("approval"),
        "not never or always",
        hint: "use one of them"
      )
    }
    let redact = reader.strings("redact")
    for path in redact where !path.hasPrefix("$.") {
      reader.problems.add(
        "CFG_CHOICE",
        at: reader.pointer("redact"),
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
      idempotent: reader.bool("idempotent", default: false),
      approval: approval,
      maxResultBytes: Int(limit),
      redact: redact
    )
  }

  private func endpoint(_ reader: SpecReader) -> (url: String, method: String) {
    var (text, method, path) = ("", "POST", reader.pointer("endpoint"))
    if let bare = reader.value("endpoint")?.stringValue {
      text = bare
    } else {
      let endpoint = reader.object("endpoint")
      text = endpoint.required("url", hint: "https://…")
      method = endpoint.string("method") ?? "POST"
      path = endpoint.pointer("url")
      if !["GET", "POST", "PUT", "PATCH", "DELETE"].contains(method) {
        reader.problems.add(
          "CFG_CHOICE",
          at: endpoint.pointer("method"),
          got: .string(method),
          "no such method",
          hint: "use GET, POST, PUT, PATCH or DELETE"
        )
      }
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
  private static func isPrivate(_ host: String) -> Bool {
    if host == "localhost" || host.hasSuffix(".localhost") || host.hasSuffix(".internal")
      || host.hasSuffix(".local")
    {
      return true
    }
    if host.contains(":") || host.hasPrefix("[") { return true }
    let octets = host.split(separator: ".").compactMap { UInt8($0) }
    guard octets.count == 4 else { return false }
    return octets[0] == 10 || octets[0] == 127 || octets[0] == 0
      || (octets[0] == 172 && (16 ... 31).contains(octets[1]))
      || (octets[0] == 192 && octets[1] == 168)
      || (octets[0] == 169 && octets[1] == 254)
      || (octets[0] == 100 && (64 ... 127).contains(octets[1]))
  }

  private func auth(_ reader: SpecReader) -> ToolSpec.Auth? {
    guard reader.value("auth") != nil else { return nil }
    let auth = reader.object("auth")
    auth.warnUnknown(["type", "header", "secret_ref"])
    let type = auth.string("type") ?? "bearer"
    if !["bearer", "header", "basic"].contains(type) {
      auth.problems.add(
        "CFG_CHOICE",
        at: auth.pointer("type"),
        got: .string(type),
        "no such type",
        hint: "use bearer, header or basic"
      )
    }
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
