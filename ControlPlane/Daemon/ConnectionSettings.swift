internal import ArgumentParser
internal import Observability
internal import Transport

/// Flags for how long connections live and how they are kept alive.
struct ConnectionFlags: ParsableArguments {
  @Option(
    help: "Milliseconds of silence until a client is asked for a sign of life (default 20000)."
  )
  var keepaliveMs: String?

  @Option(help: "Milliseconds that it has for the answer (default 20000).")
  var keepaliveTimeoutMs: String?

  @Option(
    help: "Milliseconds without calls until a connection is ended; 0 for never (default 300000)."
  )
  var connectionIdleMs: String?

  @Option(
    help: """
      Milliseconds, give or take a tenth, until a connection takes no more calls, so that clients spread \
      anew over replicas; 0 for never (default 0).
      """
  )
  var connectionAgeMs: String?

  @Option(
    help: """
      Milliseconds that calls have beyond that age, watch streams too; nodes then resume on a new \
      connection; 0 for all the time they want (default 0).
      """
  )
  var connectionAgeGraceMs: String?

  @Option(help: "Answers to clients that take it: gzip or identity (default identity).")
  var compression: String?

  var values: [(String, String?)] {
    [
      ("keepalive-ms", keepaliveMs), ("keepalive-timeout-ms", keepaliveTimeoutMs),
      ("connection-idle-ms", connectionIdleMs), ("connection-age-ms", connectionAgeMs),
      ("connection-age-grace-ms", connectionAgeGraceMs), ("compression", compression),
    ]
  }
}

/// What the flags say, checked.
struct ConnectionSettings {
  static let known = [
    "keepalive-ms", "keepalive-timeout-ms", "connection-idle-ms", "connection-age-ms",
    "connection-age-grace-ms", "compression",
  ]

  private let keepalive: Duration?
  private let keepaliveTimeout: Duration?
  private let idle: Duration?
  private let age: Duration?
  private let ageGrace: Duration?
  private let compresses: Bool

  /// - Throws: `ProgramFailure` with status `usage`.
  init(_ settings: Settings) throws {
    let day = 86_400_000
    func time(_ name: String, from least: Int) throws -> Duration? {
      try settings.int(name, in: least ... day).map { .milliseconds($0) }
    }
    keepalive = try time("keepalive-ms", from: 100)
    keepaliveTimeout = try time("keepalive-timeout-ms", from: 100)
    idle = try time("connection-idle-ms", from: 0)
    age = try time("connection-age-ms", from: 0)
    ageGrace = try time("connection-age-grace-ms", from: 0)
    switch settings.string("compression") ?? "identity" {
    case "gzip": compresses = true
    case "identity": compresses = false
    case let text:
      throw ProgramFailure(.usage, "compression is '\(text)'; write gzip or identity")
    }
  }

  func apply(to configuration: inout ServerTransportConfiguration) {
    if let keepalive { configuration.keepalive = keepalive }
    if let keepaliveTimeout { configuration.keepaliveTimeout = keepaliveTimeout }
    if let idle { configuration.maxConnectionIdle = idle == .zero ? nil : idle }
    if let age { configuration.maxConnectionAge = age == .zero ? nil : age }
    if let ageGrace { configuration.maxConnectionAgeGrace = ageGrace == .zero ? nil : ageGrace }
    configuration.compressesResponses = compresses
  }
}
