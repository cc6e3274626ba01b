internal import AsyncHTTPClient
internal import Codecs
internal import Domain
internal import Foundation
internal import NIOCore
internal import NIOHTTP1
internal import Secrets

/// Writes the HTTP request of a tool call.
enum ToolRequest {
  /// POST, PUT and PATCH carry the arguments as a JSON body; GET and DELETE as query items, nested
  /// values as JSON.
  static func make(
    _ tool: ToolSpec,
    _ endpoint: ToolEndpoint,
    arguments: JSONValue,
    secret: Secret?,
    idempotencyKey: String
  ) throws(ToolFailure) -> HTTPClientRequest {
    let hasBody = ["POST", "PUT", "PATCH"].contains(tool.method)
    let url = hasBody ? endpoint.url.absoluteString : try query(endpoint, arguments)
    var request = HTTPClientRequest(url: url)
    request.method = HTTPMethod(rawValue: tool.method)
    request.headers = [
      "accept": "application/json", "user-agent": "bindery-node", "idempotency-key": idempotencyKey,
    ]
    if hasBody {
      request.headers.add(name: "content-type", value: "application/json")
      request.body = .bytes(ByteBuffer(string: arguments.canonicalText))
    }
    if let auth = tool.auth {
      guard let secret, let (name, value) = header(auth, secret.value) else {
        throw ToolFailure(.noSecret)
      }
      request.headers.replaceOrAdd(name: name, value: value)
    }
    return request
  }

  /// nil: the kind of authentication is unknown, or the secret can't stand in a header.
  private static func header(_ auth: ToolSpec.Auth, _ secret: String) -> (String, String)? {
    let isPrintable = secret.utf8.allSatisfy { (0x20 ... 0x7E).contains($0) }
    switch auth.type {
    case "bearer": return isPrintable ? ("authorization", "Bearer \(secret)") : nil
    case "basic": return ("authorization", "Basic \(Data(secret.utf8).base64EncodedString())")
    case "header": return isPrintable ? auth.header.map { ($0, secret) } : nil
    default: return nil
    }
  }

  private static func query(
    _ endpoint: ToolEndpoint,
    _ arguments: JSONValue
  ) throws(ToolFailure) -> String {
    guard var parts = URLComponents(url: endpoint.url, resolvingAgainstBaseURL: false) else {
      throw ToolFailure(.badURL)
    }
    let members = (arguments.objectValue ?? [:]).sorted { $0.key < $1.key }
    guard !members.isEmpty else { return endpoint.url.absoluteString }
    let items = members.map { name, value in
      "\(escape(name))=\(escape(value.stringValue ?? value.canonicalText))"
    }
    let old = parts.percentEncodedQuery.map { $0.isEmpty ? [] : [$0] } ?? []
    parts.percentEncodedQuery = (old + items).joined(separator: "&")
    guard let url = parts.url, url.host == endpoint.url.host else { throw ToolFailure(.badURL) }
    return url.absoluteString
  }

  /// All but RFC 3986's unreserved characters.
  private static func escape(_ text: String) -> String {
    var result = ""
    for byte in text.utf8 {
      switch byte {
      case UInt8(ascii: "a") ... UInt8(ascii: "z"), UInt8(ascii: "A") ... UInt8(ascii: "Z"),
        UInt8(ascii: "0") ... UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."),
        UInt8(ascii: "_"), UInt8(ascii: "~"):
        result.unicodeScalars.append(Unicode.Scalar(byte))
      default:
        let hex = String(byte, radix: 16, uppercase: true)
        result += "%" + (hex.utf8.count == 1 ? "0" : "") + hex
      }
    }
    return result
  }
}
