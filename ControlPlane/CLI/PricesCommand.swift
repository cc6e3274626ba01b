internal import ArgumentParser
internal import Codecs
internal import Compiler
internal import Domain
internal import Foundation

struct PricesCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "prices",
    abstract: "Prices of model calls.",
    subcommands: [Import.self]
  )

  struct Import: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Turn LiteLLM's price file into a table for bindery-control.",
      discussion: """
        The file is model_prices_and_context_window.json of LiteLLM. Prices are carried over exactly; \
        entries that can't be, or that are not priced by tokens, are named on standard error. Keep the \
        result under version control and start the daemons with --model-tables:

          bindery prices import prices.json --provider anthropic > models.yaml
          bindery-control --model-tables models.yaml
        """
    )

    @Argument(help: "LiteLLM's price file.") var file: String
    @Option(help: "Only models of this litellm_provider (may be given again).") var provider:
      [String] = []
    @Option(
      name: .customLong("table-version"),
      help: "Name of this state; by default from the file's digest."
    )
    var tableVersion: String?
    @Option(name: .shortAndLong, help: "Write to this file instead of standard output.")
    var output: String?

    func run() async throws {
      guard let data = FileManager.default.contents(atPath: file),
        let text = String(data: data, encoding: .utf8)
      else {
        Terminal.note("bindery: \(file) can't be read as UTF-8")
        throw ExitStatus.notFound
      }
      let read: LiteLLMPrices
      do {
        read = try LiteLLMPrices(text, providers: Set(provider))
      } catch {
        Terminal.note("bindery: \(file): \(error)")
        throw ExitStatus.invalidConfiguration
      }
      for skipped in read.skipped { Terminal.note("left out: \(skipped.entry): \(skipped.reason)") }
      let version = tableVersion ?? "litellm-\(CanonicalJSON.digest(of: text).hex.prefix(12))"
      let document = ModelTablesText.document(read, version: version)
      Terminal.note("\(read.prices.count) prices, \(read.skipped.count) entries left out")
      guard let output else {
        Terminal.print(String(document.dropLast()))
        return
      }
      do {
        try Data(document.utf8).write(to: URL(filePath: output), options: .atomic)
      } catch {
        Terminal.note("bindery: \(output) can't be written")
        throw ExitStatus.notWritten
      }
    }
  }
}
