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
  let http: (host: String, port: Int)
  let dataDirectory: String
  let database: Database
  let databaseConnections: Int
  /// "host:port" entries.
  let toolAllow: Set<String>
  let lease: Duration
  let logLevel: String

  private static let known =
    [
      "grpc", "http", "data-dir", "database-url", "database-migration-url", "postgres-binaries",
      "database-connections", "tool-allow", "lease-ms", "log-level",
      "reflection",
    ] + TLSSettings.server

  /// - Throws: `ProgramFailure` with status `usage`.
  init(flags: [String: [String]], file: String?) throws {
    let settings = try Settings(flags: flags, file: file, known: Self.known)
    grpc = try Self.localAddress(settings.string("grpc") ?? "127.0.0.1:7400", setting: "grpc")
    tls = TLSSettings.server.reduce(into: [:]) { $0[$1] = settings.string($1) }
    switch settings.string("reflection") ?? "false" {
    case "true": reflection = true
    case "false": reflection = false
    case let text:
      throw ProgramFailure(.usage, "reflection is '\(text)'; it must be true or false")
    }
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
    lease = .milliseconds(try settings.int("lease-ms", in: 200 ... 600_000) ?? 10_000)
    logLevel = settings.string("log-level") ?? "info"
  }

  private static func localAddress(_ text: String, setting: String) throws -> TransportAddress {
    let address: TransportAddress
    do {
      address = try TransportAddress(parsing: text)
    } catch {
      throw ProgramFailure(
        .usage,
        "\(setting) is '\(text)'; write HOST:PORT, [IPv6]:PORT or unix:/path"
      )
    }
    guard address.isLocal else {
      throw ProgramFailure(
        .usage,
        "\(setting) is '\(text)'; without access control only loopback and unix sockets may be bound"
      )
    }
    return address
  }
}
