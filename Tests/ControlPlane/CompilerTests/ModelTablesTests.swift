import Compiler
import Domain
import Foundation
import Testing

@Suite struct ModelTablesTests {
  @Test(
    "Dollars are read digit by digit, exactly",
    arguments: [
      ("0", 0), ("0.0", 0), ("3e-06", 3_000_000), ("0.000003", 3_000_000), ("1.5e-07", 150_000),
      ("1E-12", 1), ("0.1", 100_000_000_000), ("2", 2_000_000_000_000), ("-1e-12", -1),
      ("1.0000000e-12", 1), ("9223372.036854775807", .max), ("29.28e-6", 29_280_000),
      ("0.00000000000100000000000000000000000000", 1), ("000.5", 500_000_000_000),
      // As a binary number it would be 0.1 + 0.2.
      ("0.3", 300_000_000_000),
    ] as [(String, Int64)]
  )
  func exact(text: String, pico: Int64) throws {
    #expect(try PicoUSD(usd: text).value == pico)
  }

  @Test(
    "What is no exact amount is told apart",
    arguments: [
      ("", .notADecimal), ("a", .notADecimal), ("1.", .notADecimal), (".5", .notADecimal),
      ("1e", .notADecimal), ("--1", .notADecimal), ("1e-9999", .notADecimal), ("NaN", .notADecimal),
      ("1.2.3", .notADecimal), ("1e-13", .tooFine), ("1.23456789e-10", .tooFine),
      ("9223372.036854775808", .tooLarge), ("1e30", .tooLarge),
    ] as [(String, DecimalFault)]
  )
  func inexact(text: String, fault: DecimalFault) {
    #expect(throws: fault) { try PicoUSD(usd: text) }
  }

  private static let file = #"""
    {
      "sample_spec": {"input_cost_per_token": "as a number", "mode": "one of chat, embedding"},
      "claude-sonnet-5-5": {
        "litellm_provider": "anthropic", "mode": "chat", "input_cost_per_token": 2e-06,
        "output_cost_per_token": 1e-05, "cache_read_input_token_cost": 1e-07,
        "cache_creation_input_token_cost": 2.5e-06,
        "cache_creation_input_token_cost_above_1hr": 4e-06,
        "input_cost_per_token_above_200k_tokens": 4e-06,
        "output_cost_per_token_above_200k_tokens": 2e-05,
        "cache_read_input_token_cost_above_200k_tokens": 2e-07
      },
      "gemini/gemini-3.5-flash-lite": {
        "litellm_provider": "gemini", "mode": "chat", "input_cost_per_token": 3e-07,
        "output_cost_per_token": 2.5e-06, "output_cost_per_reasoning_token": 3.5e-06,
        "deprecation_date": "2027-12-01", "cache_read_input_token_cost": 0
      },
      "text-embedding-3-small": {
        "litellm_provider": "openai", "mode": "embedding", "input_cost_per_token": 2e-08
      },
      "fine": {"litellm_provider": "x", "mode": "chat", "input_cost_per_token": 1.23456789e-10,
        "output_cost_per_token": 0},
      "by-second": {"litellm_provider": "x", "mode": "chat", "input_cost_per_second": 0.1},
      "x/claude-sonnet-5-5": {"litellm_provider": "x", "mode": "chat",
        "input_cost_per_token": 3e-06, "output_cost_per_token": 1e-05},
      "picture": {"litellm_provider": "x", "mode": "image_generation", "input_cost_per_image": 1}
    }
    """#

  @Test("LiteLLM's prices come over exactly; what can't is named")
  func imported() throws {
    let read = try LiteLLMPrices(Self.file)
    #expect(
      read.prices == [
        "claude-sonnet-5-5": ModelPrice(
          input: 2_000_000,
          output: 10_000_000,
          cacheRead: 100_000,
          cacheWrite5m: 2_500_000,
          cacheWrite1h: 4_000_000,
          above: [
            .init(promptTokens: 200_000, input: 4_000_000, output: 20_000_000, cacheRead: 200_000)
          ]
        ),
        // An explicit 0 is a price; an absent cache rate is the input rate.
        "gemini-3.5-flash-lite": ModelPrice(
          input: 300_000,
          output: 2_500_000,
          cacheRead: 0,
          cacheWrite5m: 300_000,
          cacheWrite1h: 300_000,
          outputReasoning: 3_500_000
        ),
        "text-embedding-3-small": ModelPrice(
          input: 20_000,
          output: 0,
          cacheRead: 20_000,
          cacheWrite5m: 20_000,
          cacheWrite1h: 20_000
        ),
      ]
    )
    #expect(
      read.skipped.map { "\($0.entry): \($0.reason)" }.sorted() == [
        "by-second: no price per token", "fine: input_cost_per_token is finer than 1e-12 USD",
        "x/claude-sonnet-5-5: 'claude-sonnet-5-5' has this name with other prices",
      ]
    )
    #expect(read.deprecated == ["gemini-3.5-flash-lite": "2027-12-01"])
    let one = try LiteLLMPrices(Self.file, providers: ["openai"])
    #expect(Array(one.prices.keys) == ["text-embedding-3-small"])
    #expect(throws: LiteLLMPrices.Fault.self) { try LiteLLMPrices("[]") }
    #expect(throws: LiteLLMPrices.Fault.self) { try LiteLLMPrices("{}") }
    #expect(throws: LiteLLMPrices.Fault.self) { try LiteLLMPrices(Self.file, providers: ["y"]) }
  }

  private func load(_ text: String) throws -> (tables: ModelTables?, diagnostics: [Diagnostic]) {
    let file = FileManager.default.temporaryDirectory.appending(path: "tables-\(UUID()).yaml")
    try Data(text.utf8).write(to: file)
    defer { #expect(throws: Never.self) { try FileManager.default.removeItem(at: file) } }
    return ModelTablesFile.load(file.path)
  }

  @Test("What the importer writes reads back as it was, over the built-in tables")
  func roundTrip() throws {
    let read = try LiteLLMPrices(Self.file)
    let (tables, diagnostics) = try load(ModelTablesText.document(read, version: "2026-11-24"))
    #expect(diagnostics == [])
    let merged = try #require(tables)
    #expect(merged.prices.filter { read.prices[$0.key] != nil } == read.prices)
    #expect(merged.priceVersion == "2026-11-24")
    #expect(merged.version == PlatformTables.models.version)
    #expect(merged.aliases == PlatformTables.models.aliases)
    #expect(merged.prices["simulated*"] == PlatformTables.models.prices["simulated*"])
  }

  @Test("Aliases have dates and abilities; what is wrong with a table is told at its line")
  func faults() throws {
    let sound = try load(
      """
      kind: ModelTables
      version: "7"
      aliases:
        quick:
          - {provider: anthropic, wire_id: a, effective_to: "2026-12-01"}
          - {provider: anthropic, wire_id: b, effective_from: "2026-12-01", capabilities: {tools: false}}
      """
    )
    #expect(sound.diagnostics == [])
    #expect(sound.tables?.version == "7")
    #expect(sound.tables?.priceVersion == PlatformTables.models.version)
    #expect(
      sound.tables?.aliases["quick"] == [
        ModelAlias(provider: "anthropic", wireID: "a", effectiveTo: "2026-12-01"),
        ModelAlias(
          provider: "anthropic",
          wireID: "b",
          effectiveFrom: "2026-12-01",
          capabilities: ModelCapabilities(tools: false)
        ),
      ]
    )
    let broken = try load(
      """
      kind: Tables
      aliases:
        quick:
          - {provider: anthropic, wire_id: a, effective_from: "2026-02-30"}
          - {provider: anthropic, wire_id: b, effective_from: "2026-12-02", effective_to: "2026-12-01"}
          - {wire_id: c, effective_from: "2026-12-02"}
      prices:
        m: {input: 0.5, outptu: 3}
      """
    )
    #expect(broken.tables == nil)
    let told = broken.diagnostics.map {
      "\($0.source.split(separator: ":").last ?? "") \($0.code) \($0.path)"
    }
    #expect(
      Set(told) == [
        "1 CFG_UNKNOWN_KIND /kind", "1 CFG_MISSING /version",
        "4 CFG_TYPE /aliases/quick/0/effective_from", "5 CFG_RANGE /aliases/quick/1/effective_to",
        "6 CFG_DUPLICATE /aliases/quick/2", "6 CFG_MISSING /aliases/quick/2/provider",
        "8 CFG_TYPE /prices/m/input", "8 CFG_UNKNOWN_KEY /prices/m/outptu",
        "8 CFG_MISSING /prices/m/output",
      ]
    )
  }

  @Test("Above a threshold the whole call has other rates; which, is told by the prompt's size")
  func thresholds() {
    let price = ModelPrice(
      input: 10,
      output: 50,
      cacheRead: 1,
      cacheWrite5m: 12,
      cacheWrite1h: 20,
      outputReasoning: 60,
      above: [
        .init(promptTokens: 200, input: 30), .init(promptTokens: 100, input: 20, output: 100),
      ]
    )
    #expect(price.rates(promptTokens: 100).input == 10)
    #expect(price.rates(promptTokens: 100).outputReasoning == 60)
    #expect(price.rates(promptTokens: 101).input == 20)
    #expect(price.rates(promptTokens: 101).output == 100)
    #expect(price.rates(promptTokens: 101).outputReasoning == nil)
    #expect(price.rates(promptTokens: 201).input == 30)
    #expect(price.rates(promptTokens: 201).output == 100)
    #expect(price.rates(promptTokens: 201).cacheRead == 1)
  }
}
