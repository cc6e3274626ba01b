internal import ArgumentParser
internal import Foundation
internal import Observability

/// `bindery-control`: reads settings, runs the daemon, turns failures into one line and a status.
@main
struct ControlCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bindery-control",
    abstract: "The control plane: keeps tiers and bindings, compiles them, pushes them to nodes.",
    discussion: """
      Every flag can also be a variable (--data-dir is BINDERY_DATA_DIR) or a key of the --config file \
      (data-dir: …). Flags stand over variables, variables over the file.

      With --tls-cert and --tls-key gRPC is served over TLS 1.2 or 1.3; with --tls-client-ca clients have \
      to show a certificate. The files are read again when they change and on SIGHUP.

      Without --database-url it runs a PostgreSQL of its own below --data-dir. With one it uses that \
      database (PostgreSQL 15 or newer with pgvector 0.5 or newer), migrates it with \
      --database-migration-url, and serves as the unprivileged role of --database-url.

      With --access tokens, the default beyond loopback and unix sockets, every call needs an access \
      token (bindery token create), or, from nodes, a client certificate that names the node by URI: \
      bindery:node:ID[?region=R&tenant=UUID] or spiffe://…/[region/R/][tenant/UUID/]node/ID. With \
      --access open, the default there, whoever reaches the address may do everything. Beyond loopback \
      and unix sockets --grpc needs TLS and tokens. --http has no access control and stays on loopback.

      Exit status: 0 stopped; 64 wrong usage or configuration; 69 port taken or database unreachable; \
      70 a fault; 78 database too old, without pgvector, or refusing the login, or data folder in use, \
      or certificates that can't be used.
      """,
    version: "bindery-control 0.1.0"
  )

  @Option(help: "Address for gRPC: HOST:PORT or unix:/path (default 127.0.0.1:7400).")
  var grpc: String?

  @Option(help: "PEM file with the certificate for gRPC, followed by its intermediates.")
  var tlsCert: String?

  @Option(help: "PEM file with the certificate's private key, not encrypted.")
  var tlsKey: String?

  @Option(help: "PEM file with the issuers of clients' certificates.")
  var tlsClientCa: String?

  @Option(
    help: "Client certificates: required or optional (default required with --tls-client-ca)."
  )
  var tlsClient: String?

  @Flag(help: "Tell clients without .proto files what is served (gRPC server reflection).")
  var reflection = false
  @Option(help: "Who may call: tokens or open (default open on loopback and unix sockets).")
  var access: String?

  @Option(
    help:
      "What names a node in its certificate: uri, or common-name when there is none (default uri)."
  )
  var nodeIdentity: String?

  @Option(
    help:
      "File to write a first token of role admin to, for its owner only, when there is none yet."
  )
  var bootstrapTokenFile: String?

  @Option(help: "Failed authentications that one address may have in a minute (default 120).")
  var authFailures: String?

  @Option(help: "Calls, and as many streams, that a token may have in flight (default 256).")
  var callsPerCaller: String?

  @Option(help: "The same for a node's token or certificate (default 4096).")
  var callsPerNode: String?

  @Option(help: "Access tokens that a tenant may have at once (default 1000).")
  var tokensPerTenant: String?

  @Option(help: "Address for liveness, readiness and metrics (default 127.0.0.1:7401).")
  var http: String?

  @Option(help: "Folder for the embedded PostgreSQL and its address (default .bindery/control).")
  var dataDir: String?

  @Option(help: "libpq URL of a database, for the login role that owns nothing.")
  var databaseUrl: String?

  @Option(help: "libpq URL of the same database for its owner, used for migrations only.")
  var databaseMigrationUrl: String?

  @Option(help: "Folder with PostgreSQL's programs for the embedded server.")
  var postgresBinaries: String?

  @Option(help: "Most connections to the database (default 16).")
  var databaseConnections: String?

  @Option(
    name: .long,
    help: "HOST:PORT that tools may reach without https and on private addresses; repeatable."
  )
  var toolAllow: [String] = []

  @Option(help: "YAML file of model aliases and prices (bindery prices import writes one).")
  var modelTables: String?

  @Option(
    help:
      "Remove what bindery retention says need not be kept, every so many hours (default never)."
  )
  var retentionEvery: String?

  @Option(help: "Length of a node's lease in milliseconds (default 10000).")
  var leaseMs: String?

  @OptionGroup(title: "Connections") var connections: ConnectionFlags

  @Option(help: "trace, debug, info, notice, warning, error or critical (default info).")
  var logLevel: String?

  @Option(help: "A YAML file with these settings.")
  var config: String?

  func run() async throws {
    do {
      let settings = try ControlSettings(flags: flags, file: config)
      raiseOpenFileLimit()
      try LogOutput.bootstrap(level: settings.logLevel)
      try await ControlDaemon(settings: settings).run()
    } catch let failure as ProgramFailure {
      FileHandle.standardError.write(Data("bindery-control: \(failure.message)\n".utf8))
      throw ExitCode(failure.status.rawValue)
    }
  }

  private var flags: [String: [String]] {
    let single: [(String, String?)] = [
      ("grpc", grpc), ("tls-cert", tlsCert), ("tls-key", tlsKey), ("tls-client-ca", tlsClientCa),
      ("tls-client", tlsClient), ("access", access), ("node-identity", nodeIdentity),
      ("bootstrap-token-file", bootstrapTokenFile), ("auth-failures", authFailures),
      ("calls-per-caller", callsPerCaller), ("calls-per-node", callsPerNode),
      ("tokens-per-tenant", tokensPerTenant), ("retention-every", retentionEvery), ("http", http),
      ("data-dir", dataDir),
      ("database-url", databaseUrl),
      ("database-migration-url", databaseMigrationUrl), ("postgres-binaries", postgresBinaries),
      ("database-connections", databaseConnections), ("lease-ms", leaseMs),
      ("log-level", logLevel), ("model-tables", modelTables),
    ]
    var flags: [String: [String]] = [:]
    for (name, value) in single + connections.values { if let value { flags[name] = [value] } }
    if reflection { flags["reflection"] = ["true"] }
    if !toolAllow.isEmpty { flags["tool-allow"] = toolAllow }
    return flags
  }
}
