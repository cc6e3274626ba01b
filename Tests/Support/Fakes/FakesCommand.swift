internal import ArgumentParser
internal import Foundation
internal import Hummingbird
internal import Logging
internal import ServiceLifecycle
internal import Support
internal import Synchronization
internal import UnixSignals

/// `bindery-fakes`: the services that can't be reached from a test machine, as fakes.
@main
struct FakesCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bindery-fakes",
    abstract: "Fake WhatsApp, Anthropic and tool endpoints, for tests and trying out.",
    discussion:
      "None of them is the real service. Each lists what it received at /control/requests."
  )

  @Option(help: "Port of the fake WhatsApp Cloud API.")
  var whatsapp = 7482

  @Option(help: "Port of the fake Anthropic Messages API.")
  var anthropic = 7481

  @Option(help: "Port of the fake tool endpoints.")
  var tools = 7480

  func run() async throws {
    let ready = Ready(
      line: "ready whatsapp=\(whatsapp) anthropic=\(anthropic) tools=\(tools)\n",
      waitingFor: 3
    )
    let services: [any Service] = [
      FakeServer.whatsApp(port: whatsapp).application(onRunning: ready.oneMore),
      FakeServer.anthropic(port: anthropic).application(onRunning: ready.oneMore),
      FakeServer.tools(port: tools).application(onRunning: ready.oneMore),
    ]
    try await ServiceGroup(
      configuration: .init(
        services: services.map { .init(service: $0) },
        gracefulShutdownSignals: [.sigterm, .sigint],
        logger: Logger(label: "fakes") { _ in SwiftLogNoOpLogHandler() }
      )
    ).run()
  }
}

/// Says `ready` once all servers listen.
final class Ready: Sendable {
  private let line: String
  private let missing: Mutex<Int>

  init(line: String, waitingFor count: Int) {
    self.line = line
    missing = Mutex(count)
  }

  func oneMore() {
    let isLast = missing.withLock { missing in
      missing -= 1
      return missing == 0
    }
    if isLast { FileHandle.standardOutput.write(Data(line.utf8)) }
  }
}
