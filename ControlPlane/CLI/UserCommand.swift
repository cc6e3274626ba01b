internal import ArgumentParser
internal import Domain
internal import Foundation
internal import Wire
internal import WireServices

/// `bindery user erase|export|receipts`.
struct UserCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "user",
    abstract: "Erase a person from a tenant, or export all that it holds of one.",
    discussion: """
      Needs a token of role admin. Name the person by --phone, --id, or --channel with --external-id. \
      Numbers on the command line can end in your shell's history: --phone - reads one from the \
      standard input.

        bindery user export medicly --phone +919800000042 --output-file copy.json
        bindery user erase medicly --phone +919800000042 --dry-run
        bindery user erase medicly --phone +919800000042 --reason "request 4711" --yes
        bindery user receipts medicly

      An erasure removes messages, calls, memory, replies and identities in one transaction. What was \
      used stays for billing, with no more than binding, model, tokens, cost and hour. Records and \
      messages from before it that come later are dropped and counted in its receipt, for 90 days. \
      Another tenant's rows of the same person stay.
      """,
    subcommands: [Erase.self, Export.self, Receipts.self]
  )
}

/// A person on the command line.
struct NamedPerson: ParsableArguments {
  @Argument(help: "Slug of the tenant.")
  var tenant: String

  @Option(
    name: .long,
    help: "Phone number with the country's digits; - reads it from standard input."
  )
  var phone: String?

  @Option(name: .customLong("id"), help: "Id of the user, a UUID.")
  var userID: String?

  @Option(name: .long, help: "Channel that knows the person: whatsapp or web.")
  var channel: String?

  @Option(name: .long, help: "As the channel names the person.")
  var externalID: String?

  var isGiven: Bool { phone != nil || userID != nil || channel != nil || externalID != nil }

  func require() throws {
    let ways = [phone != nil, userID != nil, channel != nil && externalID != nil]
    guard ways.count(where: \.self) == 1, (channel == nil) == (externalID == nil) else {
      throw ValidationError("Name the person by --phone, --id, or --channel and --external-id.")
    }
  }

  func selector() -> Bindery_V1_UserSelector {
    var selector = Bindery_V1_UserSelector()
    selector.tenant = tenant
    selector.phone = (phone == "-" ? readLine() : phone) ?? ""
    selector.userID = userID ?? ""
    selector.channel = channel ?? ""
    selector.externalID = externalID ?? ""
    return selector
  }
}

extension UserCommand {
  struct Erase: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Remove all that a tenant holds of a person, and print the receipt.",
      discussion: """
        Without --yes it asks in a terminal, and refuses elsewhere. Exit status 66: the tenant knows no \
        such person.
        """
    )
    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var person: NamedPerson

    @Flag(name: .long, help: "Count only.")
    var dryRun = false

    @Flag(name: [.customShort("y"), .long], help: "Do not ask.")
    var yes = false

    @Option(name: .long, help: "Why, for the receipt and the audit log; must not name the person.")
    var reason: String = ""

    func validate() throws {
      try person.require()
      guard dryRun || !reason.isEmpty else { throw ValidationError("--reason is needed.") }
      let asks = Terminal.isInteractive && connection.output == .table && person.phone != "-"
      guard dryRun || yes || asks else {
        throw ValidationError("--yes is needed where nobody can be asked.")
      }
    }

    func run() async throws {
      var request = Bindery_V1_EraseUserRequest()
      request.user = person.selector()
      request.reason = reason
      request.author = NSUserName()
      if !yes || dryRun {
        request.dryRun = true
        let counted = try await send(request)
        if dryRun {
          try show(counted)
          return
        }
        counted.printTable()
        Terminal.write("Erase this person from \(person.tenant)? It can't be undone. [y/N] ")
        guard let answer = readLine(), ["y", "yes"].contains(answer.lowercased()) else {
          Terminal.print("Nothing was changed.")
          return
        }
        request.dryRun = false
      }
      try show(try await send(request))
    }

    private func send(
      _ request: Bindery_V1_EraseUserRequest
    ) async throws -> Bindery_V1_EraseUserResponse {
      let options = connection.callOptions
      return try await connection.withAdmin { try await $0.eraseUser(request, options: options) }
    }

    private func show(_ response: Bindery_V1_EraseUserResponse) throws {
      switch connection.output {
      case .json:
        try Terminal.printJSON([
          "dry_run": .bool(dryRun), "tables": .array(response.rows.map(\.json)),
          "receipt": response.hasReceipt ? response.receipt.json : .null,
        ])
      case .table:
        response.printTable()
        guard response.hasReceipt else { return }
        Terminal.print("erased; receipt \(response.receipt.id), sha256 \(response.receipt.digest)")
      }
    }
  }

  struct Receipts: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Show the receipts of erasures, and what came late."
    )
    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var person: NamedPerson

    func validate() throws {
      if person.isGiven { try person.require() }
    }

    func run() async throws {
      var first = Bindery_V1_ListErasuresRequest()
      first.tenant = person.tenant
      if person.isGiven { first.user = person.selector() }
      let (request, options) = (first, connection.callOptions)
      let receipts = try await connection.withAdmin { admin in
        var receipts: [Bindery_V1_ErasureReceipt] = []
        var next = request
        repeat {
          let page = try await admin.listErasures(next, options: options)
          receipts += page.receipts
          next.pageToken = page.nextPageToken
        } while !next.pageToken.isEmpty
        return receipts
      }
      switch connection.output {
      case .json: try Terminal.printJSON(.array(receipts.map(\.json)))
      case .table:
        var table = Table([
          ("RECEIPT", .left), ("ERASED", .left), ("SUBJECT", .left), ("LATE MESSAGES", .right),
          ("LATE RECORDS", .right), ("SHA-256", .left),
        ])
        for it in receipts {
          table.add([
            it.id, Moment.text(it.erasedAtMs), String(it.subject.prefix(16)),
            String(it.lateInputs), String(it.lateRecords), it.digest,
          ])
        }
        for line in table.lines { Terminal.print(line) }
      }
    }
  }
}

extension Bindery_V1_ErasedRows {
  fileprivate var json: JSONValue {
    [
      "table": .string(table), "removed": .int(removed), "kept_anonymous": .int(keptAnonymous),
    ]
  }
}

extension Bindery_V1_EraseUserResponse {
  fileprivate func printTable() {
    var table = Table([("TABLE", .left), ("REMOVED", .right), ("KEPT ANONYMOUS", .right)])
    for row in rows where row.removed + row.keptAnonymous > 0 {
      table.add([row.table, String(row.removed), String(row.keptAnonymous)])
    }
    for line in table.lines { Terminal.print(line) }
  }
}

extension Bindery_V1_ErasureReceipt {
  fileprivate var json: JSONValue {
    [
      "id": .string(id), "erased_at_ms": .int(erasedAtMs), "subject": .string(subject),
      "receipt": JSONValue.parsed(receiptJson), "receipt_json": .string(receiptJson),
      "sha256": .string(digest), "late_inputs": .int(lateInputs),
      "late_records": .int(lateRecords),
    ]
  }
}
