internal import Compiler
internal import Domain
internal import Foundation
internal import Observability
internal import Transport

/// The daemon's settings, checked.
struct ControlSettings {
  enum Database {
    /// Run PostgreSQL from `binaries`, data below the data folder.
    case embedded(binaries: String)
    case external(url: String, migrationURL: String)
  }

  let grpc: TransportAddress
  /// Values of `TLSSettings.server` that are set.
  let tls: [String: String]
  /// Whether gRPC server reflection is served.
  let reflection: Bool
  /// Who may call.
  enum Access: String {
    /// Whoever can reach the address.
    case open
    /// Whoever has a token, or a node's certificate.
    case tokens
  }

  let access: Access
  /// Whether a client certificate's common name is a node's, too.
  let nodesByCommonName: Bool
  /// Where the first token of role admin is written, when there is none.
  let bootstrapTokenFile: String?
  /// Failed authentications that one address may have in a minute.
  let authFailuresPerMinute: Int
  /// Calls, and as many streams, that a person's or program's token may have in flight; and a node.
  let callsPerCaller: Int
  let callsPerNode: Int
  /// Live tokens that a tenant may have.
  let tokensPerTenant: Int
  let http: (host: String, port: Int)
  let dataDirectory: String
  let database: Database
  let databaseConnections: Int
  /// "host:port" entries.
  let toolAllow: Set<String>
  /// Model aliases and prices, those of the file over the built-in ones.
  let modelTables: ModelTables
  let lease: Duration
  /// How often the past that need not be kept is removed; nil: only when asked to.
  let retentionEvery: Duration?
  let connections: ConnectionSettings
  let logLevel: String

  private static let known =
    [
      "grpc", "http", "data-dir", "database-url", "database-migration-url", "postgres-binaries",
      "database-connections", "tool-allow", "lease-ms", "log-level", "access", "node-identity",
      "bootstrap-token-file", "auth-failures", "model-tables", "reflection", "calls-per-caller",
      "calls-per-node",
      "tokens-per-tenant", "retention-every",
    ] + TLSSettings.server + ConnectionSettings.known

  /// - Throws: `ProgramFailure` with status `usage`.
  init(flags: [String: [String]], file: String?) throws {
    let settings = try Settings(flags: flags, file: file, known: Self.known)
    grpc = try Self.address(settings.string("grpc") ?? "127.0.0.1:7400", setting: "grpc")
    tls = TLSSettings.server.reduce(into: [:]) { $0[$1] = settings.string($1) }
    switch settings.string("reflection") ?? "false" {
    case "true": reflection = true
    case "false": reflection = false
    case let text:
      throw ProgramFailure(.usage, "reflection is '\(text)'; it must be true or false")
    }
    access = try Self.access(settings, grpc: grpc, hasTLS: tls["tls-cert"] != nil)
    let identity = settings.string("node-identity") ?? "uri"
    guard ["uri", "common-name"].contains(identity) else {
      throw ProgramFailure(
        .usage,
        "node-identity is '\(identity)'; write uri or common-name"
      )
    }
    nodesByCommonName = identity == "common-name"
    authFailuresPerMinute = try settings.int("auth-failures", in: 1 ... 1_000_000) ?? 120
    callsPerCaller = try settings.int("calls-per-caller", in: 1 ... 1_000_000) ?? 256
    // Its watch, claim and record streams come on top.
    callsPerNode = try settings.int("calls-per-node", in: 8 ... 1_000_000) ?? 4_096
    tokensPerTenant = try settings.int("tokens-per-tenant", in: 1 ... 1_000_000) ?? 1_000
    bootstrapTokenFile = settings.string("bootstrap-token-file")
    guard
      case .tcp(let host, let port) = try Self.localAddress(
        settings.string("http") ?? "127.0.0.1:7401",
        setting: "http"
      )
    else { throw ProgramFailure(.usage, "http must be HOST:PORT") }
    http = (host, port)
    dataDirectory = settings.string("data-dir") ?? ".bindery/control"
    if let url = settings.string("database-url") {
      database = .external(
        url: url,
        migrationURL: settings.string("database-migration-url") ?? url
      )
    } else {
      database = .embedded(
        binaries: settings.string("postgres-binaries") ?? ".bindery/postgres/bin"
      )
    }
    databaseConnections = try settings.int("database-connections", in: 2 ... 500) ?? 16
    toolAllow = Set(settings.list("tool-allow"))
    modelTables = try Self.tables(settings.string("model-tables"))
    lease = .milliseconds(try settings.int("lease-ms", in: 200 ... 600_000) ?? 10_000)
    retentionEvery = try settings.int("retention-every", in: 1 ... 8_760).map {
      .seconds($0 * 3_600)
    }
    connections = try ConnectionSettings(settings)
    logLevel = settings.string("log-level") ?? "info"
  }

  private static func tables(_ path: String?) throws -> ModelTables {
    guard let path else { return PlatformTables.models }
    let (tables, diagnostics) = ModelTablesFile.load(path)
    if let tables { return tables }
    let first = diagnostics.first { $0.level == .error }
    let reason = first.map { "\($0.source): \($0.message) (\($0.path))" } ?? path
    throw ProgramFailure(.usage, "model-tables can't be used: \(reason)")
  }

  /// Beyond this machine only TLS and tokens.
  private static func access(
    _ settings: Settings,
    grpc: TransportAddress,
    hasTLS: Bool
  ) throws -> Access {
    let text = settings.string("access") ?? (grpc.isLocal ? "open" : "tokens")
    guard let access = Access(rawValue: text) else {
      throw ProgramFailure(.usage, "access is '\(text)'; write tokens or open")
    }
    guard grpc.isLocal || access == .tokens else {
      throw ProgramFailure(
        .usage,
        "access is open and grpc is '\(grpc)'; open access is for loopback and unix sockets only, so leave --access away or bind one of those"
      )
    }
    guard grpc.isLocal || hasTLS else {
      throw ProgramFailure(
        .usage,
        "grpc is '\(grpc)'; beyond loopback and unix sockets it needs TLS: set --tls-cert and --tls-key"
      )
    }
    return access
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

  private static func localAddress(_ text: String, setting: String) throws -> TransportAddress {
    let address = try address(text, setting: setting)
    guard address.isLocal else {
      throw ProgramFailure(
        .usage,
        "\(setting) is '\(text)'; it has no access control, so only loopback may be bound"
      )
    }
    return address
  }
}
