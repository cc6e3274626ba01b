internal import Codecs
package import Domain

/// The prices of LiteLLM's `model_prices_and_context_window.json`, exact to the last digit.
package struct LiteLLMPrices: Sendable {
  /// By the model as a response names it.
  package private(set) var prices: [String: ModelPrice] = [:]
  /// Days after which providers no longer serve models, where the file names them.
  package private(set) var deprecated: [String: String] = [:]
  /// Entries that were left out, and why.
  package private(set) var skipped: [Skipped] = []

  package struct Skipped: Hashable, Sendable {
    package let entry: String
    package let reason: String
  }

  /// Why a file is no price file.
  package struct Fault: Error, Hashable, Sendable, CustomStringConvertible {
    package let description: String
  }

  /// Modes whose calls are priced by tokens.
  private static let modes = ["chat", "completion", "responses", "embedding"]
  private var entries: [String: String] = [:]

  /// - Parameter providers: `litellm_provider`s that are read; empty: all.
  /// - Throws: `Fault`.
  package init(_ text: String, providers: Set<String> = []) throws(Fault) {
    let file: JSONValue
    do {
      file = try JSONText.parse(text, decimalsAsText: true)
    } catch {
      throw Fault(description: "this is no JSON: \(error)")
    }
    guard case .object(let models) = file else {
      throw Fault(description: "an object keyed by model is due")
    }
    // Names without a provider first: they are what responses say.
    let names = models.keys.sorted {
      ($0.contains("/") ? 1 : 0, $0) < ($1.contains("/") ? 1 : 0, $1)
    }
    for name in names where name != "sample_spec" {
      guard let entry = models[name], entry.objectValue != nil else {
        skip(name, "no object")
        continue
      }
      let provider = entry["litellm_provider"]?.stringValue ?? ""
      guard providers.isEmpty || providers.contains(provider) else { continue }
      guard Self.modes.contains(entry["mode"]?.stringValue ?? "chat") else { continue }
      add(entry, named: name, provider: provider)
    }
    guard !prices.isEmpty || !skipped.isEmpty else {
      throw Fault(
        description: providers.isEmpty
          ? "no model is priced by tokens"
          : "no model of \(providers.sorted().joined(separator: ", "))"
      )
    }
  }

  private mutating func skip(_ entry: String, _ reason: String) {
    skipped.append(Skipped(entry: entry, reason: reason))
  }

  private mutating func add(_ entry: JSONValue, named name: String, provider: String) {
    do {
      guard let price = try Self.price(of: entry) else { return skip(name, "no price per token") }
      let model = name.hasPrefix("\(provider)/") ? String(name.dropFirst(provider.count + 1)) : name
      if let other = prices[model], other != price {
        return skip(name, "'\(entries[model] ?? model)' has this name with other prices")
      }
      prices[model] = price
      entries[model] = name
      if let day = entry["deprecation_date"]?.stringValue { deprecated[model] = day }
    } catch {
      switch error.fault {
      case .notADecimal: skip(name, "\(error.key) is no decimal number")
      case .tooFine: skip(name, "\(error.key) is finer than 1e-12 USD")
      case .tooLarge: skip(name, "\(error.key) is too large")
      }
    }
  }

  private struct BadRate: Error {
    let key: String
    let fault: DecimalFault
  }

  /// Rates under a suffix: "" or "_above_200k_tokens".
  private struct Rates {
    var input: Int64?
    var output: Int64?
    var reasoning: Int64?
    var cacheRead: Int64?
    var cacheWrite5m: Int64?
    var cacheWrite1h: Int64?

    init(_ entry: JSONValue, suffix: String) throws(BadRate) {
      input = try Self.rate(entry, "input_cost_per_token\(suffix)")
      output = try Self.rate(entry, "output_cost_per_token\(suffix)")
      reasoning = try Self.rate(entry, "output_cost_per_reasoning_token\(suffix)")
      cacheRead = try Self.rate(entry, "cache_read_input_token_cost\(suffix)")
      cacheWrite5m = try Self.rate(entry, "cache_creation_input_token_cost\(suffix)")
      cacheWrite1h = try Self.rate(entry, "cache_creation_input_token_cost_above_1hr\(suffix)")
    }

    private static func rate(_ entry: JSONValue, _ key: String) throws(BadRate) -> Int64? {
      let text: String
      switch entry[key] {
      case nil, .null: return nil
      case .int(let number): text = String(number)
      case .string(let decimal): text = decimal
      default: throw BadRate(key: key, fault: .notADecimal)
      }
      do {
        let rate = try PicoUSD(usd: text).value
        if rate >= 0 { return rate }
      } catch {
        throw BadRate(key: key, fault: error)
      }
      throw BadRate(key: key, fault: .notADecimal)
    }
  }

  /// An absent cache rate is the input rate; an explicit 0 is a price.
  private static func price(of entry: JSONValue) throws(BadRate) -> ModelPrice? {
    let base = try Rates(entry, suffix: "")
    let isEmbedding = entry["mode"] == "embedding"
    guard let input = base.input, let output = base.output ?? (isEmbedding ? 0 : nil) else {
      return nil
    }
    var above: [ModelPrice.LargePrompt] = []
    for thousands in thresholds(of: entry) {
      let large = try Rates(entry, suffix: "_above_\(thousands)k_tokens")
      above.append(
        .init(
          promptTokens: thousands * 1_000,
          input: large.input,
          output: large.output,
          cacheRead: large.cacheRead ?? (base.cacheRead == nil ? large.input : nil),
          cacheWrite5m: large.cacheWrite5m ?? (base.cacheWrite5m == nil ? large.input : nil),
          cacheWrite1h: large.cacheWrite1h
            ?? (base.cacheWrite1h == nil
              ? large.cacheWrite5m ?? (base.cacheWrite5m == nil ? large.input : nil) : nil),
          outputReasoning: large.reasoning
        )
      )
    }
    return ModelPrice(
      input: input,
      output: output,
      cacheRead: base.cacheRead ?? input,
      cacheWrite5m: base.cacheWrite5m ?? input,
      cacheWrite1h: base.cacheWrite1h ?? base.cacheWrite5m ?? input,
      outputReasoning: base.reasoning,
      above: above.isEmpty ? nil : above
    )
  }

  /// N of the keys that end in `_above_Nk_tokens`.
  private static func thresholds(of entry: JSONValue) -> [Int64] {
    let found = (entry.objectValue ?? [:]).keys.compactMap { key -> Int64? in
      guard key.hasSuffix("k_tokens"), key.contains("token_cost") || key.contains("cost_per_"),
        let start = key.ranges(of: "_above_").last
      else { return nil }
      return Int64(key[start.upperBound...].dropLast("k_tokens".count))
    }
    return Set(found.filter { (1 ... 100_000).contains($0) }).sorted()
  }
}
