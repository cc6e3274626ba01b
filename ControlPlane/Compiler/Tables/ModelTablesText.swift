internal import Codecs
internal import Domain

/// Writes prices as the document that `ModelTablesFile` reads.
package enum ModelTablesText {
  package static func document(_ read: LiteLLMPrices, version: String) -> String {
    var lines = [
      "# Prices in pico-USD (1e-12 USD) for one token: 1 USD per million tokens is 1000000.",
      "kind: ModelTables", "version: \(quoted(version))", "prices:",
    ]
    for (model, price) in read.prices.sorted(by: { $0.key < $1.key }) {
      let until = read.deprecated[model].map { "  # served until \(oneLine($0))" } ?? ""
      lines.append("  \(quoted(model)): \(text(of: price))\(until)")
    }
    return lines.joined(separator: "\n") + "\n"
  }

  private static func text(of price: ModelPrice) -> String {
    var parts = [
      "input: \(price.input)", "output: \(price.output)", "cache_read: \(price.cacheRead)",
      "cache_write_5m: \(price.cacheWrite5m)", "cache_write_1h: \(price.cacheWrite1h)",
    ]
    if let reasoning = price.outputReasoning { parts.append("output_reasoning: \(reasoning)") }
    let above = (price.above ?? []).map { large in
      let rates = [
        ("prompt_tokens", large.promptTokens), ("input", large.input), ("output", large.output),
        ("cache_read", large.cacheRead), ("cache_write_5m", large.cacheWrite5m),
        ("cache_write_1h", large.cacheWrite1h), ("output_reasoning", large.outputReasoning),
      ]
      return
        "{\(rates.compactMap { key, rate in rate.map { "\(key): \($0)" } }.joined(separator: ", "))}"
    }
    if !above.isEmpty { parts.append("above: [\(above.joined(separator: ", "))]") }
    return "{\(parts.joined(separator: ", "))}"
  }

  /// A JSON string is a YAML one (YAML 1.2, section 7.3.1).
  private static func quoted(_ text: String) -> String { JSONValue.string(text).canonicalText }

  private static func oneLine(_ text: String) -> String {
    text.filter { !$0.isNewline }
  }
}
