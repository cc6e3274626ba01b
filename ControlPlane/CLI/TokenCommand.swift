internal import ArgumentParser
internal import Domain
internal import Foundation
internal import Wire
internal import WireServices

/// `bindery token create|list|revoke|rotate`.
struct TokenCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "token",
    abstract: "Let people, programs and nodes in, and out again.",
    discussion: """
      Needs a token of role admin; bindery-control --bootstrap-token-file writes the first one.

        bindery token create --role author --tenant medicly --name "Medicly's CI" --expires 90d
        bindery token create --role node --node edge-1 --region in-south --tenant medicly
        bindery token list
        bindery token revoke 7k2m4x5qhc
      """,
    subcommands: [Create.self, List.self, Revoke.self, Rotate.self]
  )
}

enum TokenRole: String, ExpressibleByArgument, CaseIterable {
  case viewer
  case author
  case `operator`
  case admin
  case node

  var wire: Bindery_V1_TokenRole {
    switch self {
    case .operator: .operator
    case .admin: .admin
    case .author: .author
    case .viewer: .viewer
    case .node: .node
    }
  }
}

extension TokenCommand {
  struct Create: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Make a token and print it: it is shown this once.",
      discussion: """
        Roles: viewer reads; author also applies; operator also pauses, resumes and archives; admin \
        also makes and ends tokens; each in the tenant that --tenant names, or with --platform in all. \
        node is what bindery-node shows (--node, with --region and --tenant for what it is bound to).
        """
    )

    @OptionGroup var connection: ConnectionOptions

    @Option(name: .long, help: "viewer, author, operator, admin or node.")
    var role: TokenRole

    @Option(
      name: .long,
      help: "Slug of the tenant; for a node repeatable, without it the node may see all tenants."
    )
    var tenant: [String] = []

    @Flag(name: .long, help: "For all tenants, and what is no tenant's.")
    var platform = false

    @Option(name: .long, help: "What it is for.")
    var name: String = ""

    @Option(name: .long, help: "Why, for the audit log.")
    var reason: String = ""

    @Option(name: .long, help: "It ends after this: 12h, 90d; without it never.")
    var expires: Span?

    @Option(name: .long, help: "Role node: the node's --node-id.")
    var node: String = ""

    @Option(name: .long, help: "Role node: the node's --region; without it any.")
    var region: String = ""

    func validate() throws {
      if role != .node, tenant.count > 1 {
        throw ValidationError("a token of role \(role.rawValue) is of one tenant.")
      }
    }

    func run() async throws {
      var request = Bindery_V1_CreateTokenRequest()
      request.role = role.wire
      request.name = name
      if role == .node {
        request.nodeTenants = tenant
      } else {
        request.tenant = tenant.first ?? ""
      }
      request.platform = platform
      request.reason = reason
      request.nodeID = node
      request.region = region
      request.author = NSUserName()
      if let expires { request.expiresInMs = expires.seconds * 1000 }
      let message = request
      let options = connection.callOptions
      let answer = try await connection.withAdmin {
        try await $0.createToken(message, options: options)
      }
      try show(answer.token, secret: answer.secret, connection.output)
    }
  }

  struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Show the tokens, without their texts."
    )

    @OptionGroup var connection: ConnectionOptions

    @Option(name: .long, help: "Only this tenant's, and those of nodes bound to it.")
    var tenant: String = ""

    func run() async throws {
      var request = Bindery_V1_ListTokensRequest()
      request.tenant = tenant
      let message = request
      let options = connection.callOptions
      let tokens = try await connection.withAdmin {
        try await $0.listTokens(message, options: options).tokens
      }
      switch connection.output {
      case .json: try Terminal.printJSON(.array(tokens.map(\.json)))
      case .table:
        var table = Table([
          ("ID", .left), ("ROLE", .left), ("FOR", .left), ("NAME", .left), ("STATE", .left),
          ("CREATED", .left), ("EXPIRES", .left), ("LAST USED", .left),
        ])
        for token in tokens {
          table.add([
            token.id, token.role.word, token.reach, token.name, token.state,
            time(token.createdAtMs) ?? "", time(token.expiresAtMs) ?? "never",
            time(token.lastUsedAtMs) ?? "never",
          ])
        }
        for line in table.lines { Terminal.print(line) }
      }
    }
  }

  struct Revoke: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "End a token: within a second it is good nowhere, and its open streams end."
    )

    @OptionGroup var connection: ConnectionOptions

    @Argument(help: "The token's id, as 'bindery token list' shows it.")
    var id: String

    @Option(name: .long, help: "Why, for the audit log.")
    var reason: String = ""

    func run() async throws {
      var request = Bindery_V1_RevokeTokenRequest()
      request.id = id
      request.reason = reason
      request.author = NSUserName()
      let message = request
      let options = connection.callOptions
      let answer = try await connection.withAdmin {
        try await $0.revokeToken(message, options: options)
      }
      switch connection.output {
      case .json:
        try Terminal.printJSON(["token": answer.token.json, "changed": .bool(answer.changed)])
      case .table:
        Terminal.print("token \(id) is revoked\(answer.changed ? "" : " already")")
      }
    }
  }

  struct Rotate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract:
        "Give a token a new text and print it; the old text is good nowhere within a second."
    )

    @OptionGroup var connection: ConnectionOptions

    @Argument(help: "The token's id, as 'bindery token list' shows it.")
    var id: String

    @Option(name: .long, help: "Why, for the audit log.")
    var reason: String = ""

    func run() async throws {
      var request = Bindery_V1_RotateTokenRequest()
      request.id = id
      request.reason = reason
      request.author = NSUserName()
      let message = request
      let options = connection.callOptions
      let answer = try await connection.withAdmin {
        try await $0.rotateToken(message, options: options)
      }
      try show(answer.token, secret: answer.secret, connection.output)
    }
  }
}

/// The token's text alone on standard output, so that it can be sent into a file.
private func show(_ token: Bindery_V1_Token, secret: String, _ output: OutputFormat) throws {
  switch output {
  case .json: try Terminal.printJSON(["token": token.json, "secret": .string(secret)])
  case .table:
    Terminal.note(
      "token \(token.id) (\(token.role.word)\(token.reach.isEmpty ? "" : " \(token.reach)")):"
    )
    Terminal.print(secret)
    Terminal.note("Keep it: it is not shown again.")
  }
}

private func time(_ milliseconds: Int64) -> String? {
  guard milliseconds > 0 else { return nil }
  return Date(timeIntervalSince1970: Double(milliseconds) / 1000).formatted(.iso8601)
}

extension Bindery_V1_TokenRole {
  fileprivate var word: String {
    switch self {
    case .operator: "operator"
    case .admin: "admin"
    case .author: "author"
    case .viewer: "viewer"
    case .node: "node"
    case .unspecified, .UNRECOGNIZED: "unknown"
    }
  }
}

extension Bindery_V1_Token {
  /// Whom or what it lets in.
  fileprivate var reach: String {
    guard role == .node else { return tenant.isEmpty ? "all tenants" : tenant }
    let bounds = (region.isEmpty ? [] : ["region \(region)"]) + nodeTenants
    return nodeID + (bounds.isEmpty ? "" : " (\(bounds.joined(separator: ", ")))")
  }

  fileprivate var state: String {
    if revokedAtMs > 0 { return "revoked" }
    let now = Int64(Date().timeIntervalSince1970 * 1000)
    return expiresAtMs > 0 && expiresAtMs <= now ? "expired" : "good"
  }

  fileprivate var json: JSONValue {
    [
      "id": .string(id), "role": .string(role.word), "name": .string(name),
      "tenant": .string(tenant), "node": .string(nodeID), "region": .string(region),
      "node_tenants": .array(nodeTenants.map { .string($0) }), "state": .string(state),
      "created_at": time(createdAtMs).map { .string($0) } ?? .null,
      "created_by": .string(createdBy),
      "expires_at": time(expiresAtMs).map { .string($0) } ?? .null,
      "last_used_at": time(lastUsedAtMs).map { .string($0) } ?? .null,
      "revoked_at": time(revokedAtMs).map { .string($0) } ?? .null,
    ]
  }
}
