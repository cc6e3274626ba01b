internal import Codecs
package import Domain
internal import Foundation

/// A file of model aliases and prices that stands over the built-in ones.
///
/// ```yaml
/// kind: ModelTables
/// version: "2026-11-24"
/// aliases:
///   claude-sonnet: [{provider: anthropic, wire_id: claude-sonnet-5-5, effective_from: "2026-10-01"}]
/// prices:    # pico-USD for one token: 1 USD per million tokens is 1000000
///   "claude-sonnet-5-5*": {input: 2000000, output: 10000000, cache_read: 100000}
/// ```
package enum ModelTablesFile {
  private static let maxBytes = 16 << 20

  /// The tables with the file's entries over those of `base`; nil when there are errors.
  package static func load(
    _ path: String,
    over base: ModelTables = PlatformTables.models
  ) -> (tables: ModelTables?, diagnostics: [Diagnostic]) {
    func failed(_ code: String, _ line: Int?, _ message: String, _ hint: String) -> Diagnostic {
      Diagnostic(
        code: code,
        tier: .platform,
        slug: "",
        path: "",
        message: message,
        hint: hint,
        source: line.map { "\(path):\($0)" } ?? path
      )
    }
    guard let data = FileManager.default.contents(atPath: path) else {
      return (nil, [failed("CFG_NO_FILE", nil, "the file can't be read", "check the path")])
    }
    guard data.count <= maxBytes, let text = String(data: data, encoding: .utf8) else {
      return (nil, [failed("CFG_TOO_LARGE", nil, "too large, or not UTF-8", "check the file")])
    }
    let (documents, problems) =
      path.hasSuffix(".json") ? YAMLDocument.parse(json: text) : YAMLDocument.parse(text)
    guard problems.isEmpty, documents.count == 1, let document = documents.first else {
      let faults = problems.map { failed("CFG_BAD_YAML", $0.line, $0.message, $0.hint) }
      return (
        nil,
        faults.isEmpty
          ? [failed("CFG_BAD_DOCUMENT", nil, "one document is due", "write kind: ModelTables")]
          : faults
      )
    }
    let found = Problems(ofPlatform: document.value, source: "\(path):\(document.line)")
    let tables = ModelTablesReader(problems: found).tables(document.value, over: base)
    let located = found.list.map { diagnostic in
      var diagnostic = diagnostic
      if let line = YAMLDocument.line(of: diagnostic.path, in: document.lines) {
        diagnostic.source = "\(path):\(line)"
      }
      return diagnostic
    }
    return (found.hasErrors ? nil : tables, located)
  }
}

/// Reads the document of a `ModelTablesFile`.
struct ModelTablesReader {
  let problems: Problems

  func tables(_ document: JSONValue, over base: ModelTables) -> ModelTables {
    let spec = SpecReader(document, problems: problems)
    spec.warnUnknown(["kind", "version", "aliases", "prices"])
    if spec.value("kind") != "ModelTables" {
      problems.add(
        "CFG_UNKNOWN_KIND",
        at: spec.pointer("kind"),
        "this is no table of models",
        hint: "write kind: ModelTables"
      )
    }
    let version = spec.required("version", hint: "a name for this state, like \"2026-11-24\"")
    var tables = base
    let aliases = spec.object("aliases")
    for name in aliases.members.keys.sorted() {
      tables.aliases[name] = self.aliases(aliases, name)
      tables.version = version
    }
    let prices = spec.object("prices")
    for model in prices.members.keys.sorted() {
      tables.prices[model] = price(prices.object(model))
    }
    tables.priceVersion = prices.members.isEmpty ? base.priceVersion ?? base.version : version
    return tables
  }

  private func aliases(_ spec: SpecReader, _ name: String) -> [ModelAlias] {
    var starts: Set<String> = []
    return spec.mappings(name, maxCount: 50).map { _, reader in
      reader.warnUnknown([
        "provider", "wire_id", "effective_from", "effective_to", "retired", "capabilities",
      ])
      let from = day(reader, "effective_from")
      let to = day(reader, "effective_to")
      if let from, let to, from >= to {
        problems.add(
          "CFG_RANGE",
          at: reader.pointer("effective_to"),
          "the span ends before it begins",
          hint: "effective_to is the first day on which the name means something else"
        )
      }
      if !starts.insert(from ?? "").inserted {
        problems.add(
          "CFG_DUPLICATE",
          at: reader.path,
          "two meanings of '\(name.prefix(64))' begin on one day",
          hint: "give each its own effective_from"
        )
      }
      let abilities = reader.object("capabilities")
      abilities.warnUnknown(["tools", "sampling", "streaming", "max_output_tokens"])
      func flag(_ key: String) -> Bool? {
        abilities.value(key) == nil ? nil : abilities.bool(key, default: true)
      }
      let most = abilities.int("max_output_tokens", in: 1 ... 10_000_000, default: 0)
      return ModelAlias(
        provider: reader.required("provider", hint: "like anthropic"),
        wireID: reader.required("wire_id", hint: "the id that the provider knows"),
        effectiveFrom: from,
        effectiveTo: to,
        retired: reader.bool("retired", default: false),
        capabilities: abilities.members.isEmpty
          ? nil
          : ModelCapabilities(
            tools: flag("tools"),
            sampling: flag("sampling"),
            streaming: flag("streaming"),
            maxOutputTokens: most == 0 ? nil : Int(most)
          )
      )
    }
  }

  /// An ISO date (ISO 8601, "YYYY-MM-DD") that the calendar has.
  private func day(_ reader: SpecReader, _ key: String) -> String? {
    guard let text = reader.string(key) else { return nil }
    let parts = text.split(separator: "-", omittingEmptySubsequences: false)
    let isForm =
      parts.map(\.count) == [4, 2, 2]
      && parts.allSatisfy { $0.utf8.allSatisfy { (0x30 ... 0x39).contains($0) } }
    if isForm, let year = Int(parts[0]), let month = Int(parts[1]), let day = Int(parts[2]) {
      let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
      let days = [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
      if (1 ... 12).contains(month), (1 ... days[month - 1]).contains(day) { return text }
    }
    problems.add(
      "CFG_TYPE",
      at: reader.pointer(key),
      "this is no day",
      hint: "write YYYY-MM-DD"
    )
    return nil
  }

  private static let rates: ClosedRange<Int64> = 0 ... 1_000_000_000_000

  private func price(_ reader: SpecReader) -> ModelPrice {
    let keys = [
      "input", "output", "cache_read", "cache_write_5m", "cache_write_1h", "output_reasoning",
    ]
    reader.warnUnknown(keys + ["above"])
    for key in ["input", "output"] where reader.isMapping && reader.value(key) == nil {
      problems.add(
        "CFG_MISSING",
        at: reader.pointer(key),
        "\(key) is missing",
        hint: "in pico-USD for one token: 1 USD per million tokens is 1000000"
      )
    }
    func rate(_ reader: SpecReader, _ key: String) -> Int64? {
      reader.value(key) == nil ? nil : reader.int(key, in: Self.rates, default: 0)
    }
    let input = rate(reader, "input") ?? 0
    let write = rate(reader, "cache_write_5m") ?? input
    let above = reader.mappings("above", maxCount: 10).map { _, large in
      large.warnUnknown(keys + ["prompt_tokens"])
      return ModelPrice.LargePrompt(
        promptTokens: large.int("prompt_tokens", in: 1 ... 100_000_000, default: 1),
        input: rate(large, "input"),
        output: rate(large, "output"),
        cacheRead: rate(large, "cache_read"),
        cacheWrite5m: rate(large, "cache_write_5m"),
        cacheWrite1h: rate(large, "cache_write_1h"),
        outputReasoning: rate(large, "output_reasoning")
      )
    }
    return ModelPrice(
      input: input,
      output: rate(reader, "output") ?? 0,
      cacheRead: rate(reader, "cache_read") ?? input,
      cacheWrite5m: write,
      cacheWrite1h: rate(reader, "cache_write_1h") ?? write,
      outputReasoning: rate(reader, "output_reasoning"),
      above: above.isEmpty ? nil : above
    )
  }
}
