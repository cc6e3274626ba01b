internal import ArgumentParser
internal import Foundation
internal import Observability

/// `bindery-node`: reads settings, runs the node, turns failures into one line and a status.
@main
struct NodeCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bindery-node",
    abstract: "A node: takes messages in, holds the conversations, sends the replies.",
    discussion: """
      Every flag can also be a variable (--data-dir is BINDERY_DATA_DIR) or a key of the --config file \
      (data-dir: …). Flags stand over variables, variables over the file.

      It serves from its own copy of the configuration, also while no control plane can be reached. \
      Secrets are read from <secrets-dir>/<tenant>/<name>, else from the environment.

      With any of the --tls flags the control plane is reached over TLS. The files are read again when \
      they change and on SIGHUP.

      A control plane that asks who calls knows this node by --token-file (a token of role node) or by \
      --tls-cert. The token's file is read again when it changes. --http stays on loopback: put a proxy \
      that ends TLS before it.

      Exit status: 0 stopped; 64 wrong usage or configuration; 69 port taken; 70 a fault; 78 the data \
      folder can't be used, or another node uses it, or the certificates can't be used.
      """,
    version: "bindery-node \(NodeDaemon.version)"
  )

  @Option(help: "Name of this node, unique in the fleet (default: the host's name).")
  var nodeId: String?

  @Option(help: "Region of this node, for people and rollouts (default local).")
  var region: String?

  @Option(help: "KEY=VALUE that rollouts may choose this node by; repeatable.")
  var label: [String] = []

  @Option(help: "Address of a control plane or relay; repeatable (default 127.0.0.1:7400).")
  var control: [String] = []

  @Option(
    help: "PEM file with the issuers of the control plane's certificate (default: the system's)."
  )
  var tlsCa: String?

  @Option(help: "PEM file with this node's certificate for the control plane.")
  var tlsCert: String?

  @Option(help: "PEM file with that certificate's private key, not encrypted.")
  var tlsKey: String?

  @Option(help: "Name in the control plane's certificate, when it is not the host connected to.")
  var tlsServerName: String?

  @Option(
    help:
      "Milliseconds of silence until the control plane is asked for a sign of life (default 10000)."
  )
  var keepaliveMs: String?

  @Option(help: "Milliseconds that it has for the answer (default 20000).")
  var keepaliveTimeoutMs: String?

  @Option(help: "File with this node's access token for the control plane.")
  var tokenFile: String?

  @Option(help: "Address for webhooks, web chat, liveness and metrics (default 127.0.0.1:7410).")
  var http: String?

  @Option(
    help:
      "Folder for the copy of the configuration, the spool and the inbox (default .bindery/node)."
  )
  var dataDir: String?

  @Option(help: "Folder with the tenants' secrets (default .bindery/secrets).")
  var secretsDir: String?

  @Option(help: "Where WhatsApp's Cloud API answers (default https://graph.facebook.com).")
  var whatsappBaseUrl: String?

  @Option(help: "Where Anthropic's API answers (default https://api.anthropic.com).")
  var anthropicBaseUrl: String?

  @Option(
    help:
      "Where Google's Gemini API answers (default https://generativelanguage.googleapis.com/v1beta)."
  )
  var googleBaseUrl: String?

  @Option(help: "Where OpenAI's API answers (default https://api.openai.com/v1).")
  var openaiBaseUrl: String?

  @Option(help: "Where Sarvam's API answers (default https://api.sarvam.ai/v1).")
  var sarvamBaseUrl: String?

  @Option(
    help: """
      NAME=URL of a server that speaks OpenAI's Chat Completions (vLLM, Ollama, llama.cpp, LiteLLM), \
      up to its /v1; the alias tables call it by NAME. Repeatable.
      """
  )
  var modelEndpoint: [String] = []

  @Option(
    help: "HOST:PORT that tools may reach without https and on private addresses; repeatable."
  )
  var toolAllow: [String] = []

  @Option(
    help: "WhatsApp messages are answered after so many milliseconds of quiet (default 1200) …"
  )
  var quietMs: String?

  @Option(help: "… and at the latest after so many (default 4000).")
  var latestMs: String?

  @Option(help: "Most messages of one web visitor in a minute (default 120).")
  var visitorMessagesPerMinute: String?

  @Option(help: "A model may take so many milliseconds to its first token (default 20000) …")
  var modelFirstTokenMs: String?

  @Option(help: "… and so many between two (default 15000).")
  var modelStallMs: String?

  @Option(help: "eager: hold all bindings; lazy: fetch each on its first use (default eager).")
  var mode: String?

  @Option(help: "trace, debug, info, notice, warning, error or critical (default info).")
  var logLevel: String?

  @Option(help: "A YAML file with these settings.")
  var config: String?

  func run() async throws {
    do {
      let settings = try NodeSettings(flags: flags, file: config)
      raiseOpenFileLimit()
      try LogOutput.bootstrap(level: settings.logLevel)
      try await NodeDaemon(settings: settings).run()
    } catch let failure as ProgramFailure {
      FileHandle.standardError.write(Data("bindery-node: \(failure.message)\n".utf8))
      throw ExitCode(failure.status.rawValue)
    }
  }

  private var flags: [String: [String]] {
    let single: [(String, String?)] = [
      ("node-id", nodeId), ("region", region), ("tls-ca", tlsCa), ("tls-cert", tlsCert),
      ("tls-key", tlsKey), ("tls-server-name", tlsServerName), ("token-file", tokenFile),
      ("keepalive-ms", keepaliveMs), ("keepalive-timeout-ms", keepaliveTimeoutMs), ("http", http),
      ("data-dir", dataDir),
      ("secrets-dir", secretsDir), ("whatsapp-base-url", whatsappBaseUrl),
      ("anthropic-base-url", anthropicBaseUrl), ("google-base-url", googleBaseUrl),
      ("openai-base-url", openaiBaseUrl), ("sarvam-base-url", sarvamBaseUrl), ("quiet-ms", quietMs),
      ("latest-ms", latestMs),
      ("visitor-messages-per-minute", visitorMessagesPerMinute),
      ("model-first-token-ms", modelFirstTokenMs), ("model-stall-ms", modelStallMs), ("mode", mode),
      ("log-level", logLevel),
    ]
    var flags: [String: [String]] = [:]
    for (name, value) in single { if let value { flags[name] = [value] } }
    if !label.isEmpty { flags["label"] = label }
    if !control.isEmpty { flags["control"] = control }
    if !toolAllow.isEmpty { flags["tool-allow"] = toolAllow }
    if !modelEndpoint.isEmpty { flags["model-endpoint"] = modelEndpoint }
    return flags
  }
}
