internal import ArgumentParser
internal import Foundation
internal import Scenario

/// `bindery-check`: brings everything up, and proves the main path or leaves it running.
@main
struct CheckCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bindery-check",
    abstract: "Start Bindery with fakes and the sample; prove the main path, or let people try it.",
    subcommands: [Verify.self, Serve.self]
  )

  struct Options: ParsableArguments {
    @Option(help: "The repository: sample configuration and PostgreSQL are found in it.")
    var repository: String

    func layout() throws -> Layout {
      let own = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
      return Layout(
        repository: URL(filePath: repository),
        programs: URL(filePath: own).deletingLastPathComponent()
      )
    }
  }

  struct Verify: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "One line a step, then 'N passed, M failed'."
    )

    @OptionGroup var options: Options

    func run() async throws {
      let folder = FileManager.default.temporaryDirectory.appending(
        path: "bindery-check-\(UUID().uuidString.prefix(8))"
      )
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
      let stack = Stack(layout: try options.layout(), folder: folder)
      var report = Report.toStandardOutput()
      let started = await CheckCommand.step("everything starts", &report) {
        try await stack.start()
        return "PostgreSQL, control plane, 2 nodes, fakes"
      }
      if started {
        for step in Scenario(stack: stack).steps {
          await CheckCommand.step(step.name, &report) { try await step.run() }
        }
      }
      await CheckCommand.step("everything stops when asked", &report) {
        let faults = await stack.stopAll()
        try require(faults.isEmpty, faults.joined(separator: "; "))
        return ""
      }
      if report.failed == 0 { removeFolder(folder) } else { report.note("logs: \(folder.path)") }
      report.end()
      if report.failed > 0 { throw ExitCode.failure }
    }
  }

  struct Serve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Run until Ctrl-C.")

    @OptionGroup var options: Options

    func run() async throws {
      let layout = try options.layout()
      let folder = layout.repository.appending(path: ".bindery/quickstart")
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
      let stack = Stack(layout: layout, folder: folder)
      do {
        try await stack.start()
        let applied = try await stack.tool().run(["apply", "-y", "-f", layout.sample.path])
        print(applied.standardOutput + applied.standardError)
        print(
          """
          Bindery runs: PostgreSQL, the control plane, two nodes, and fakes of WhatsApp, Anthropic and \
          the tools.
            chat in a browser    http://sahayak.localhost:\(stack.ports.nodes[0])/   (also ranveer, kichcha, medicly, vakil)
            chat in a terminal   \(layout.programs.path)/bindery chat sahayak/sahayak-main
            the nodes            \(layout.programs.path)/bindery nodes
            pause a tenant       \(layout.programs.path)/bindery tenant pause vakil --wait
            usage                \(layout.programs.path)/bindery usage
            what fakes received  http://127.0.0.1:\(stack.ports.whatsapp)/control/requests
          Ctrl-C stops all of it.
          """
        )
        try await untilSignal()
      } catch {
        _ = await stack.stopAll()
        throw error
      }
      _ = await stack.stopAll()
    }

    private func untilSignal() async throws {
      let (signals, continuation) = AsyncStream.makeStream(of: Void.self)
      let sources = [SIGINT, SIGTERM].map { number in
        signal(number, SIG_IGN)
        let source = DispatchSource.makeSignalSource(signal: number)
        source.setEventHandler { continuation.yield() }
        source.resume()
        return source
      }
      for await _ in signals { break }
      for source in sources { source.cancel() }
    }
  }

  /// Runs one step and writes its line. Returns whether it passed.
  @discardableResult
  static func step(
    _ name: String,
    _ report: inout Report,
    _ body: () async throws -> String
  ) async -> Bool {
    let start = ContinuousClock.now
    do {
      report.pass(name, try await body(), took: ContinuousClock.now - start)
      return true
    } catch {
      report.fail(name, "\(error)", took: ContinuousClock.now - start)
      return false
    }
  }
}
