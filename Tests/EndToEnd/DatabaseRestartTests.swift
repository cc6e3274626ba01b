import Domain
import Foundation
import Glibc
import Scenario
import Synchronization
import Testing

/// Authors who keep applying while the database is stopped, cut short and killed under the daemon.
@Suite(
  .serialized,
  .stack(base: 9040) { stack in
    try await stack.startControl()
    _ = try await stack.tool().json(["apply", "-y", "-f", try stack.copySample().path])
  }
)
struct `Applies over restarts of the database` {
  enum Restart: String, CaseIterable {
    case fast
    case immediate
    case kill
  }

  let stack: Stack

  init() throws { stack = try Stack.ofSuite() }

  @Test(.timeLimit(.minutes(5)), arguments: Restart.allCases)
  func `no acknowledged apply is lost, none is stored twice, and each fault is told`(
    _ restart: Restart
  ) async throws {
    let server = try await RestartedServer(stack)
    let names = ["a", "b"].map { "\(restart.rawValue)-\($0)" }
    let isBack = Flag()
    let told = try await withThrowingTaskGroup(of: [String].self) { group in
      for name in names {
        group.addTask {
          // Until some were stored after the restart.
          var (told, afterwards, number) = ([String](), 0, 0)
          while afterwards < 3 {
            number += 1
            let isAfter = isBack.isSet
            told += try await store(number, as: name)
            if isAfter { afterwards += 1 }
          }
          return told
        }
      }
      group.addTask {
        let stored = "select from tier_config_versions where slug like '\(restart.rawValue)-%'"
        try await waitUntil("some are stored", within: .seconds(60)) {
          try await stack.database().count(stored) >= 4
        }
        try await server.restart(restart)
        isBack.set()
        return []
      }
      return try await group.reduce(into: []) { $0 += $1 }
    }
    for line in told {
      #expect(line.contains("database") || line.contains("control plane"), "\(line)")
      #expect(!line.contains("Is bindery-control running?"), "\(line)")
    }
    for name in names {
      let rows = try await stack.database().rows(
        """
        select version, (config->>'cultural_register')::int as number from tier_config_versions
        where slug = '\(name)' order by version
        """
      )
      // Each was acknowledged before the next was tried: they are there, once, and in order.
      let numbers = rows.compactMap { $0["number"]?.intValue }
      #expect(numbers == Array(1 ... Int64(rows.count)))
      #expect(rows.compactMap { $0["version"]?.intValue } == numbers)
      let seen = try await stack.tool().json(["get", "human", "vakil/\(name)"])
      #expect(seen["spec"]?["cultural_register"]?.stringValue == numbers.last.map(String.init))
    }
  }

  /// Applies until it is acknowledged, as a person would: the same command again. Returns what was told
  /// about the tries that failed.
  private func store(_ number: Int, as name: String) async throws -> [String] {
    let file = try stack.write(
      """
      kind: Human
      tenant: vakil
      slug: \(name)
      spec: {display_name: Asha, languages: [en], cultural_register: "\(number)"}
      """,
      to: "\(name).yaml"
    )
    var told: [String] = []
    for _ in 1 ... 60 {
      let done = try await stack.tool().run(["apply", "-y", "-f", file.path])
      if done.status == 0 { return told }
      // Not reached, or the version is another: what was told of may have been stored.
      #expect([69, 75].contains(done.status), "\(done.standardError)")
      told.append(done.standardError)
      try await Task.sleep(for: .milliseconds(100))
    }
    throw ScenarioFailure("\(name) \(number) was not stored: \(told.last ?? "")")
  }
}

private final class Flag: Sendable {
  private let value = Mutex(false)

  var isSet: Bool { value.withLock { $0 } }
  func set() { value.withLock { $0 = true } }
}

/// The server that a control plane has started, by PostgreSQL's own means.
private struct RestartedServer {
  private let binaries: URL
  private let data: String

  init(_ stack: Stack) async throws {
    binaries = stack.layout.postgres
    data = try await stack.database().scalar("show data_directory")
  }

  func restart(_ kind: `Applies over restarts of the database`.Restart) async throws {
    switch kind {
    case .fast, .immediate:
      try await run("'\(binaries.path)/pg_ctl' -D '\(data)' -m \(kind.rawValue) -w restart")
    case .kill:
      let file = try String(contentsOfFile: "\(data)/postmaster.pid", encoding: .utf8)
      guard let line = file.split(separator: "\n").first, let pid = pid_t(line) else {
        throw ScenarioFailure("the server's pid file names none")
      }
      #expect(kill(pid, SIGKILL) == 0)
      // Its children end when they notice; until then the new one does not start.
      try await run(
        """
        cd '\(data)' && for n in $(seq 100); do
          rm -f postmaster.pid
          if '\(binaries.path)/pg_ctl' -D . -w -o "$(sed 's/^[^ ]* //; s/"-D" "[^"]*"//' postmaster.opts)" start; then
            exit 0
          fi
          sleep 0.2
        done; exit 1
        """
      )
    }
  }

  private func run(_ script: String) async throws {
    let isRoot = getuid() == 0
    let nobody = getpwnam("nobody")
    let identity = nobody.map { ["--reuid=\($0.pointee.pw_uid)", "--regid=\($0.pointee.pw_gid)"] }
    // What the server inherits beside these would keep its starter from being seen to end.
    let closing =
      "for f in /proc/$BASHPID/fd/*; do n=${f##*/}; ((n > 2)) && eval \"exec $n>&-\"; done"
    let shell = ["-c", "exec >/dev/null 2>&1 </dev/null; \(closing); \(script)"]
    let done = try await Completed.run(
      "pg_ctl",
      path: isRoot ? "/usr/bin/setpriv" : "/bin/bash",
      arguments: isRoot
        ? (identity ?? []) + ["--clear-groups", "--", "/bin/bash"] + shell : shell,
      within: .seconds(60)
    )
    guard done.status == 0 else {
      throw ScenarioFailure("the server did not come back: \(done.standardError)")
    }
  }
}
