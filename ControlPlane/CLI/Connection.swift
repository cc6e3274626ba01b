internal import ArgumentParser
internal import Foundation
internal import GRPCCore
internal import Logging
internal import NIOCore
internal import NIOPosix
internal import TLS
internal import Transport
internal import WireServices

/// Where the control plane is, and how the answer is shown.
struct ConnectionOptions: ParsableArguments {
  @Option(
    name: .long,
    help: ArgumentHelp(
      "Address of the control plane: HOST:PORT or unix:/path. Environment: BINDERY_CONTROL.",
      valueName: "address"
    )
  )
  var control: String?

  @Option(
    name: .long,
    help: ArgumentHelp(
      "Issuers of the control plane's certificate. Environment: BINDERY_TLS_CA. With any of the --tls flags the control plane is reached over TLS.",
      valueName: "file"
    )
  )
  var tlsCa: String?

  @Option(
    name: .long,
    help: ArgumentHelp("Your certificate. Environment: BINDERY_TLS_CERT.", valueName: "file")
  )
  var tlsCert: String?

  @Option(
    name: .long,
    help: ArgumentHelp("Its private key. Environment: BINDERY_TLS_KEY.", valueName: "file")
  )
  var tlsKey: String?

  @Option(
    name: .long,
    help: ArgumentHelp(
      "Name in the control plane's certificate. Environment: BINDERY_TLS_SERVER_NAME.",
      valueName: "name"
    )
  )
  var tlsServerName: String?

  @Option(
    name: .long,
    help: ArgumentHelp(
      "File with your access token. Without it BINDERY_TOKEN is used, then ~/.config/bindery/token.",
      valueName: "file"
    )
  )
  var tokenFile: String?

  @Option(name: [.customShort("o"), .long], help: "How to show the answer: table or json.")
  var output: OutputFormat = .table

  @Option(name: .long, help: "Give up on the control plane after this many seconds.")
  var timeout: Int = 30

  var address: String {
    control ?? ProcessInfo.processInfo.environment["BINDERY_CONTROL"] ?? "127.0.0.1:7400"
  }

  func validate() throws {
    guard (1 ... 3600).contains(timeout) else {
      throw ValidationError("--timeout must be 1 to 3600 seconds.")
    }
  }

  typealias AdminClient = Bindery_V1_Admin.Client<HTTP2ClientTransport>

  var callOptions: CallOptions {
    var options = CallOptions.defaults
    options.timeout = .seconds(timeout)
    return options
  }

  /// Runs `body` with a connection to the control plane; faults become one line and an exit status.
  func withAdmin<T: Sendable>(
    _ body: @Sendable @escaping (AdminClient) async throws -> T
  ) async throws -> T {
    let endpoint: TransportAddress
    do {
      endpoint = try TransportAddress(parsing: address)
    } catch {
      throw ValidationError(
        "'\(address)' is not an address; write HOST:PORT, [IPv6]:PORT or unix:/path."
      )
    }
    let logger = Logger(label: "bindery", factory: { _ in SwiftLogNoOpLogHandler() })
    let configuration = try transportConfiguration(logger)
    let interceptors = try accessToken(for: endpoint, hasTLS: configuration.tls != nil)
    let transport = HTTP2ClientTransport(
      endpoints: [endpoint],
      configuration: configuration,
      group: MultiThreadedEventLoopGroup.singleton,
      logger: logger
    )
    do {
      return try await withGRPCClient(
        transport: transport,
        interceptors: interceptors
      ) { client in
        try await body(Bindery_V1_Admin.Client(wrapping: client))
      }
    } catch let error as RPCError {
      throw report(error)
    }
  }

  private func transportConfiguration(_ logger: Logger) throws -> ClientTransportConfiguration {
    let environment = ProcessInfo.processInfo.environment
    let values = [
      "tls-ca": tlsCa ?? environment["BINDERY_TLS_CA"],
      "tls-cert": tlsCert ?? environment["BINDERY_TLS_CERT"],
      "tls-key": tlsKey ?? environment["BINDERY_TLS_KEY"],
      "tls-server-name": tlsServerName ?? environment["BINDERY_TLS_SERVER_NAME"],
    ].compactMapValues(\.self)
    var configuration = ClientTransportConfiguration()
    configuration.tlsServerName = values["tls-server-name"]
    do {
      configuration.tls = try TLSSettings.client(logger: logger) { values[$0] }
    } catch {
      Terminal.error("TLS can't be used: \(error)")
      throw ExitStatus.invalidConfiguration
    }
    for warning in configuration.tls?.current.warnings ?? [] { Terminal.error(warning) }
    return configuration
  }

  /// What shows the caller's token with every call; nothing when there is none.
  private func accessToken(
    for endpoint: TransportAddress,
    hasTLS: Bool
  ) throws -> [any ClientInterceptor] {
    let environment = ProcessInfo.processInfo.environment
    let usual = FileManager.default.homeDirectoryForCurrentUser
      .appending(path: ".config/bindery/token").path
    let token: String
    do {
      if let tokenFile {
        token = try AccessTokenFile(tokenFile).token()
      } else if let text = environment["BINDERY_TOKEN"], !text.isEmpty {
        token = try AccessTokenFile.read(text, from: "BINDERY_TOKEN")
      } else if FileManager.default.fileExists(atPath: usual) {
        token = try AccessTokenFile(usual).token()
      } else {
        return []
      }
    } catch {
      Terminal.error(error.message)
      throw ExitStatus.refused
    }
    guard hasTLS || endpoint.isLocal else {
      Terminal.error(
        "the access token is not sent to \(address) without TLS; set --tls-ca to the issuers of its certificate."
      )
      throw ExitStatus.refused
    }
    return [AccessTokenInterceptor(token: { () throws(AccessTokenUnreadable) in token })]
  }

  private func report(_ error: RPCError) -> ExitCode {
    switch error.code {
    case .unavailable where error.message.hasPrefix("the database"):
      Terminal.error("the control plane at \(address) answers: \(error.message).")
      return ExitStatus.unavailable
    case .deadlineExceeded:
      Terminal.error(
        "the control plane at \(address) gave no answer within \(timeout) s (\(error.message)). What was asked for may be done all the same: look, or give it more time by --timeout."
      )
      return ExitStatus.unavailable
    case .unavailable:
      Terminal.error(
        "the control plane at \(address) can't be reached (\(error.message)). Is bindery-control running? Set --control or BINDERY_CONTROL."
      )
      return ExitStatus.unavailable
    case .notFound:
      Terminal.error(error.message)
      return ExitStatus.notFound
    case .invalidArgument, .failedPrecondition:
      Terminal.error(error.message)
      return ExitStatus.invalidConfiguration
    case .alreadyExists:
      Terminal.error(error.message)
      return ExitStatus.invalidConfiguration
    case .unauthenticated, .permissionDenied, .resourceExhausted:
      Terminal.error("refused by the control plane at \(address): \(error.message)")
      return ExitStatus.refused
    case .aborted:
      Terminal.error(error.message)
      return ExitStatus.stale
    default:
      Terminal.error("the control plane answered \(error.code): \(error.message)")
      return ExitStatus.internalFault
    }
  }
}
