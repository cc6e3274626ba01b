internal import Foundation
internal import Observability
internal import Subscription
internal import Transport

/// The node's settings, checked.
struct NodeSettings {
  let nodeID: String
  let region: String
  /// What rollouts may choose nodes by, besides the region.
  let labels: [String: String]
  /// Control planes or relays, tried in this order.
  let control: [TransportAddress]
  /// Values of `TLSSettings.client` that are set.
  let tls: [String: String]
  /// File with the access token that the control plane asks for.
  let tokenFile: String?
  /// Silence after which the control plane is asked for a sign of life, and how long that may take; nil
  /// for the transport's own.
  let keepalive: Duration?
  let keepaliveTimeout: Duration?
  let http: (host: String, port: Int)
  let dataDirectory: String
  let secretsDirectory: String
  let whatsAppBaseURL: String?
  /// Where vendors' APIs answer, by provider; absent: the vendor's own address.
  let modelBaseURLs: [String: String]
  /// Servers of the operator's that speak Chat Completions, by provider name.
  let modelEndpoints: [String: String]
  /// "host:port" entries that tools may reach without https and on private addresses.
  let toolAllow: Set<String>
  let quietMS: Int64
  let latestMS: Int64
  let visitorMessagesPerMinute: Int
  /// How long a model may take to its first token, and between two.
  let modelFirstToken: Duration
  let modelStall: Duration
  let mode: NodeIdentity.Mode
  let logLevel: String

  static let known =
    [
      "node-id", "region", "label", "control", "http", "data-dir", "secrets-dir",
      "whatsapp-base-url",
      "anthropic-base-url", "google-base-url", "openai-base-url", "sarvam-base-url",
      "model-endpoint", "tool-allow", "quiet-ms", "latest-ms", "visitor-messages-per-minute",
      "model-first-token-ms", "model-stall-ms", "mode", "log-level", "token-file",
      "keepalive-ms", "keepalive-timeout-ms",
    ] + TLSSettings.client

  /// - Throws: `ProgramFailure` with status `usage`.
  init(flags: [String: [String]], file: String?) throws {
    let settings = try Settings(flags: flags, file: file, known: Self.known)
    nodeID = try Self.nodeID(settings.string("node-id") ?? ProcessInfo.processInfo.hostName)
    region = settings.string("region") ?? "local"
    labels = try Self.labels(Self.entries(settings.list("label")))
    let endpoints = Self.entries(settings.list("control"))
    control = try (endpoints.isEmpty ? ["127.0.0.1:7400"] : endpoints)
      .map { try Self.address($0, setting: "control") }
    tls = TLSSettings.client.reduce(into: [:]) { $0[$1] = settings.string($1) }
    tokenFile = settings.string("token-file")
    if tokenFile != nil, tls.isEmpty, let open = control.first(where: { !$0.isLocal }) {
      throw ProgramFailure(
        .usage,
        "token-file is set and control is '\(open)'; a token travels over TLS only: set --tls-ca, or reach it by loopback or a unix socket"
      )
    }
    let day = 86_400_000
    keepalive = try settings.int("keepalive-ms", in: 100 ... day).map { .milliseconds($0) }
    keepaliveTimeout = try settings.int("keepalive-timeout-ms", in: 100 ... day)
      .map { .milliseconds($0) }
    http = try Self.localHTTP(settings.string("http") ?? "127.0.0.1:7410")
    dataDirectory = settings.string("data-dir") ?? ".bindery/node"
    secretsDirectory = settings.string("secrets-dir") ?? ".bindery/secrets"
    whatsAppBaseURL = try Self.baseURL(settings, "whatsapp-base-url")
    modelBaseURLs = try Self.vendors.reduce(into: [:]) { urls, vendor in
      urls[vendor] = try Self.baseURL(settings, "\(vendor)-base-url")
    }
    modelEndpoints = try Self.modelEndpoints(Self.entries(settings.list("model-endpoint")))
    toolAllow = Set(Self.entries(settings.list("tool-allow")))
    quietMS = Int64(try settings.int("quiet-ms", in: 0 ... 60_000) ?? 1_200)
    latestMS = Int64(try settings.int("latest-ms", in: 0 ... 600_000) ?? 4_000)
    guard quietMS <= latestMS else {
      throw ProgramFailure(.usage, "quiet-ms is \(quietMS), more than latest-ms (\(latestMS))")
    }
    visitorMessagesPerMinute =
      try settings.int("visitor-messages-per-minute", in: 1 ... 1_000_000) ?? 120
    modelFirstToken = .milliseconds(
      try settings.int("model-first-token-ms", in: 100 ... 120_000) ?? 20_000
    )
    modelStall = .milliseconds(try settings.int("model-stall-ms", in: 100 ... 120_000) ?? 15_000)
    let mode = settings.string("mode") ?? "eager"
    guard let known = NodeIdentity.Mode(rawValue: mode) else {
      throw ProgramFailure(.usage, "mode is '\(mode)'; write eager or lazy")
    }
    self.mode = known
    logLevel = settings.string("log-level") ?? "info"
  }

  private static func nodeID(_ text: String) throws -> String {
    let isGood =
      (1 ... 64).contains(text.utf8.count)
      && text.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "._-".contains($0)) }
    guard isGood else {
      throw ProgramFailure(
        .usage,
        "node-id is '\(text)'; write 1 to 64 letters, digits, dots, hyphens or underscores"
      )
    }
    return text
  }

  private static func labels(_ entries: [String]) throws -> [String: String] {
    var labels: [String: String] = [:]
    for entry in entries {
      let parts = entry.split(separator: "=", maxSplits: 1).map(String.init)
      guard parts.count == 2, parts.allSatisfy({ (1 ... 64).contains($0.utf8.count) }),
        labels.updateValue(parts[1], forKey: parts[0]) == nil, labels.count <= 64
      else {
        throw ProgramFailure(
          .usage,
          "label is '\(entry)'; write KEY=VALUE, each once, of 1 to 64 bytes, at most 64 of them"
        )
      }
    }
    return labels
  }

  /// Flags repeat, variables hold commas.
  private static func entries(_ list: [String]) -> [String] {
    list.flatMap { $0.split(separator: ",") }
      .map { $0.trimmingCharacters(in: .whitespaces) }
      .filter { !$0.isEmpty }
  }

  private static func address(_ text: String, setting: String) throws -> TransportAddress {
    do {
      return try TransportAddress(parsing: text)
    } catch {
      throw ProgramFailure(
        .usage,
        "\(setting) is '\(text)'; write HOST:PORT, [IPv6]:PORT or unix:/path"
      )
    }
  }

  private static func localHTTP(_ text: String) throws -> (host: String, port: Int) {
    let address = try address(text, setting: "http")
    guard address.isLocal else {
      throw ProgramFailure(
        .usage,
        "http is '\(text)'; it has no TLS of its own, so only loopback may be bound"
      )
    }
    guard case .tcp(let host, let port) = address else {
      throw ProgramFailure(.usage, "http must be HOST:PORT")
    }
    return (host, port)
  }

  static let vendors = ["anthropic", "google", "openai", "sarvam"]

  /// "NAME=URL" entries.
  private static func modelEndpoints(_ entries: [String]) throws -> [String: String] {
    var endpoints: [String: String] = [:]
    for entry in entries {
      let parts = entry.split(separator: "=", maxSplits: 1).map(String.init)
      let name = parts.first ?? ""
      // The name is a part of a secret's name and of a variable's.
      let isName =
        (1 ... 32).contains(name.utf8.count)
        && name.allSatisfy { $0.isASCII && ($0.isLowercase || $0.isNumber || $0 == "_") }
      guard parts.count == 2, isName else {
        throw ProgramFailure(
          .usage,
          "model-endpoint is '\(entry)'; write NAME=URL, the name in small letters, digits and _"
        )
      }
      guard !(vendors + ["simulated"]).contains(name) else {
        throw ProgramFailure(
          .usage,
          "model-endpoint names '\(name)', which is built in; use another name, or --\(name)-base-url"
        )
      }
      guard endpoints[name] == nil else {
        throw ProgramFailure(.usage, "model-endpoint names '\(name)' twice")
      }
      endpoints[name] = try url(parts[1], setting: "model-endpoint")
    }
    return endpoints
  }

  private static func baseURL(_ settings: Settings, _ name: String) throws -> String? {
    try settings.string(name).map { try url($0, setting: name) }
  }

  private static func url(_ text: String, setting name: String) throws -> String {
    var text = text
    while text.hasSuffix("/") { text.removeLast() }
    guard let url = URL(string: text), ["http", "https"].contains(url.scheme), url.host != nil
    else { throw ProgramFailure(.usage, "\(name) is '\(text)'; write http(s)://HOST[:PORT]") }
    return text
  }
}
