internal import ArgumentParser
internal import AsyncHTTPClient
internal import Domain
internal import Foundation
internal import NIOCore
internal import NIOHTTP1
internal import Wire
internal import WireServices

/// `bindery chat TENANT/BINDING`.
struct ChatCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "chat",
    abstract: "Talk to a binding in the terminal, over its web route.",
    discussion: """
      A line is a message; an empty line or Ctrl-D ends. It is a real conversation: it is stored, and \
      it counts as usage.

        bindery chat sahayak/sahayak-pro-work
        echo "namaste" | bindery chat sahayak/sahayak-pro-work
      """
  )

  @OptionGroup var connection: ConnectionOptions

  @Argument(help: "TENANT/SLUG of the binding.")
  var binding: String

  @Option(name: .long, help: "Base URL of a node's HTTP edge; without it the first one connected.")
  var node: String?

  @Option(name: .long, help: "The binding's web host, when it has several.")
  var host: String?

  func run() async throws {
    let name = try ObjectName(parsing: binding, kind: .binding)
    let (edge, webHost) = try await find(name)
    let timeout = TimeAmount.seconds(Int64(connection.timeout))
    try await ChatClient.with(edge: edge, host: webHost, timeout: timeout) { chat in
      try await talk(over: chat)
    }
  }

  private func talk(over chat: ChatClient) async throws {
    let interactive = Terminal.isInteractive && connection.output == .table
    if interactive {
      Terminal.print("\(binding) at \(chat.edge) (\(chat.host)). An empty line ends.")
    }
    var turns: [JSONValue] = []
    var cookie: String?
    while true {
      if interactive { Terminal.write("> ") }
      guard let line = readLine() else {
        // The prompt's line is not the shell's.
        if interactive { Terminal.print("") }
        break
      }
      guard !line.isEmpty else { break }
      let printing = connection.output == .table
      let reply = try await chat.send(line, cookie: cookie) { piece in
        if printing { Terminal.write(piece) }
      }
      if printing { Terminal.print("") }
      cookie = reply.cookie ?? cookie
      turns.append([
        "user": .string(line), "reply": .string(reply.text), "ended": .string(reply.ended),
      ])
      if reply.ended != "done" {
        Terminal.error(
          "the reply ended with '\(reply.ended)'\(reply.reason.map { ": \($0)" } ?? "")"
        )
        if connection.output == .json { try Terminal.printJSON(.array(turns)) }
        throw ExitStatus.unavailable
      }
    }
    if connection.output == .json { try Terminal.printJSON(.array(turns)) }
  }

  /// A node's edge and the binding's web host.
  private func find(_ name: ObjectName) async throws -> (edge: String, host: String) {
    var request = Bindery_V1_GetRequest()
    request.kind = ObjectKind.binding.rawValue
    request.tenant = name.tenant
    request.slug = name.slug
    let message = request
    let options = connection.callOptions
    let (object, nodes) = try await connection.withAdmin { admin in
      (
        try await admin.get(message, options: options).object,
        try await admin.listNodes(Bindery_V1_ListNodesRequest(), options: options).nodes
      )
    }
    let hosts = JSONValue.parsed(object.specJson)["routes"]?["web"]?.texts ?? []
    guard let webHost = host ?? hosts.first else {
      Terminal.error("\(binding) has no web route; add routes.web to its spec.")
      throw ExitStatus.invalidConfiguration
    }
    if let node { return (node, webHost) }
    guard let edge = nodes.first(where: { $0.connected && !$0.edges.isEmpty })?.edges.first else {
      Terminal.error("no node is connected; start bindery-node, or name one with --node.")
      throw ExitStatus.unavailable
    }
    return (edge.contains("://") ? edge : "http://\(edge)", webHost)
  }
}

extension JSONValue {
  /// A string, or the strings of an array.
  fileprivate var texts: [String] {
    if let text = stringValue { return [text] }
    return arrayValue?.compactMap(\.stringValue) ?? []
  }
}
