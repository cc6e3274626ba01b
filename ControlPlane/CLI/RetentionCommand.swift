internal import ArgumentParser
internal import Domain
internal import Foundation
internal import Wire
internal import WireServices

/// `bindery retention show|set|run`.
struct RetentionCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "retention",
    abstract: "Say how much of the past is kept, and remove what is older.",
    discussion: """
      As delivered everything is kept, for ever. A revision is kept while it is younger than --days or \
      among the newest --revisions; with it all that it takes to read the whole configuration as of it. \
      The newest version of each object is always kept, and who made which revision, when and why. \
      Setting removes nothing; `run` does, in batches, and so does bindery-control with \
      --retention-every HOURS. The audit log is kept for ever unless --audit-days says otherwise.

        bindery retention set --days 365 --revisions 1000 --reason "policy 7"
        bindery retention run --dry-run
        bindery retention run
      """,
    subcommands: [Show.self, Set.self, Run.self],
    defaultSubcommand: Show.self
  )

  struct Show: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Show what is kept.")
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
      let options = connection.callOptions
      let retention = try await connection.withAdmin {
        try await $0.getRetention(Bindery_V1_GetRetentionRequest(), options: options)
      }
      try retention.print(connection.output)
    }
  }

  struct Set: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Say what is to be kept; removes nothing."
    )
    @OptionGroup var connection: ConnectionOptions

    @Option(name: .long, help: "Keep revisions of so many days; 0: for ever.")
    var days: Int32

    @Option(name: .long, help: "Keep at least so many of the newest revisions.")
    var revisions: Int64 = 1000

    @Option(name: .long, help: "Keep the audit log for so many days, at least 30; 0: for ever.")
    var auditDays: Int32?

    @Option(name: .long, help: "Why, for the record.")
    var reason: String = ""

    func run() async throws {
      var request = Bindery_V1_SetRetentionRequest()
      request.keepDays = days
      request.keepRevisions = revisions
      if let auditDays { request.auditKeepDays = auditDays }
      request.reason = reason
      request.author = NSUserName()
      let (message, options) = (request, connection.callOptions)
      let retention = try await connection.withAdmin {
        try await $0.setRetention(message, options: options)
      }
      try retention.print(connection.output)
    }
  }

  struct Run: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Remove what need not be kept any more."
    )
    @OptionGroup var connection: ConnectionOptions

    @Flag(name: .long, help: "Count only.")
    var dryRun = false

    func run() async throws {
      var request = Bindery_V1_PruneHistoryRequest()
      request.dryRun = dryRun
      let (message, options) = (request, connection.callOptions)
      let pruned = try await connection.withAdmin {
        try await $0.pruneHistory(message, options: options)
      }
      switch connection.output {
      case .json:
        try Terminal.printJSON([
          "dry_run": .bool(dryRun), "oldest_revision": .int(pruned.oldestRevision),
          "versions": .int(pruned.versions), "changes": .int(pruned.changes),
          "sections": .int(pruned.sections), "audit_entries": .int(pruned.auditEntries),
        ])
      case .table:
        Terminal.print(
          "\(dryRun ? "would remove" : "removed") \(pruned.versions) versions, \(pruned.changes) changes, \(pruned.sections) sections; revisions from \(pruned.oldestRevision) on can be read"
        )
        if pruned.auditEntries > 0 {
          Terminal.print("removed \(pruned.auditEntries) entries of the audit log")
        }
      }
    }
  }
}

extension Bindery_V1_Retention {
  fileprivate func print(_ output: OutputFormat) throws {
    switch output {
    case .json:
      try Terminal.printJSON([
        "keep_days": .int(Int64(keepDays)), "keep_revisions": .int(keepRevisions),
        "audit_keep_days": .int(Int64(auditKeepDays)), "oldest_revision": .int(oldestRevision),
        "newest_revision": .int(newestRevision),
        "changed_by": .string(changedBy), "reason": .string(reason),
        "changed_at_ms": .int(changedAtMs),
      ])
    case .table:
      let kept =
        keepDays == 0
        ? "everything, for ever"
        : "revisions of \(keepDays) days, and at least the newest \(keepRevisions)"
      Terminal.print("kept: \(kept)")
      Terminal.print(
        auditKeepDays == 0 ? "audit log: for ever" : "audit log: \(auditKeepDays) days"
      )
      Terminal.print("can be read: revisions \(oldestRevision) to \(newestRevision)")
      if changedAtMs > 0 {
        let why = reason.isEmpty ? "" : ": \(reason)"
        Terminal.print("set by \(changedBy), \(Moment.text(changedAtMs))\(why)")
      }
    }
  }
}
