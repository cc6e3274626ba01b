internal import ArgumentParser
internal import Domain
internal import Foundation
internal import Wire
internal import WireServices

/// `bindery usage`.
struct UsageCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "usage",
    abstract: "Show what was used and what it cost, by binding and model.",
    discussion: """
        bindery usage --tenant medicly --since 24h
        bindery usage -o json
      """
  )

  @OptionGroup var connection: ConnectionOptions

  @Option(name: .long, help: "Only this tenant.")
  var tenant: String = ""

  @Option(name: .long, help: "Only the last while: 90s, 30m, 24h, 7d.")
  var since: Span?

  func run() async throws {
    var request = Bindery_V1_UsageRequest()
    request.tenant = tenant
    if let since {
      request.fromMs = Int64((Date().timeIntervalSince1970 - Double(since.seconds)) * 1000)
    }
    let message = request
    let options = connection.callOptions
    let rows = try await connection.withAdmin { try await $0.usage(message, options: options).rows }
    switch connection.output {
    case .json: try Terminal.printJSON(.array(rows.map(\.json)))
    case .table: printTable(rows)
    }
  }

  private func printTable(_ rows: [Bindery_V1_UsageRow]) {
    var table = Table([
      ("TENANT", .left), ("BINDING", .left), ("PROVIDER", .left), ("MODEL", .left),
      ("TURNS", .right), ("CALLS", .right), ("IN", .right), ("OUT", .right), ("CACHED", .right),
      ("TOOLS", .right), ("VIOLATIONS", .right), ("COST USD", .right),
    ])
    for row in rows {
      table.add([
        row.tenant, row.binding, row.provider, row.model, String(row.turns),
        String(row.modelCalls), String(row.tokensIn), String(row.tokensOut),
        String(row.cacheHitTokens), String(row.toolCalls), String(row.violations),
        PicoUSD(row.costPicoUsd).usdText,
      ])
    }
    for line in table.lines { Terminal.print(line) }
  }
}

/// A span of time as people type it.
struct Span: ExpressibleByArgument {
  let seconds: Int64

  init?(argument: String) {
    guard let unit = argument.last, let count = Int64(argument.dropLast()), count > 0,
      let factor = ["s": 1, "m": 60, "h": 3600, "d": 86_400][String(unit)] as Int64?
    else { return nil }
    let (product, overflow) = count.multipliedReportingOverflow(by: factor)
    guard !overflow else { return nil }
    seconds = product
  }
}

extension Bindery_V1_UsageRow {
  var json: JSONValue {
    [
      "tenant": .string(tenant), "binding": .string(binding), "provider": .string(provider),
      "model": .string(model), "turns": .int(turns), "model_calls": .int(modelCalls),
      "tokens_in": .int(tokensIn), "tokens_out": .int(tokensOut),
      "cache_hit_tokens": .int(cacheHitTokens), "messages": .int(messages),
      "tool_calls": .int(toolCalls), "violations": .int(violations),
      "cost_pico_usd": .int(costPicoUsd), "cost_usd": .string(PicoUSD(costPicoUsd).usdText),
    ]
  }
}
