import Domain
import Models
import Testing

@Suite struct AccountingTests {
  @Test(arguments: 0 ..< 500 as Range<UInt64>)
  func `shares of a prompt sum exactly, and none is a token from its due`(seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    let names = ["platform", "human", "team", "agent", "history", "tools"]
    var weights: [String: Int] = [:]
    for name in names.prefix(Int.random(in: 1 ... 6, using: &random)) {
      weights[name] = Int.random(in: 0 ... 10_000, using: &random)
    }
    let total = Int.random(in: 1 ... 1_000_000, using: &random)
    let shares = TierTokens.split(weights: weights, total: total)
    #expect(shares.values.reduce(0, +) == total)
    let sum = weights.values.reduce(0, +)
    guard sum > 0 else { return }
    for (name, weight) in weights {
      let due = Double(total) * Double(weight) / Double(sum)
      #expect(abs(Double(shares[name] ?? 0) - due) < 1)
    }
  }

  @Test func `a split names the tiers, the history and the tools`() {
    let split = TierTokens.split(Requests.make(), tokensIn: 1_000)
    #expect(Set(split.keys) == ["platform", "human", "history", "tools"])
    #expect(split.values.reduce(0, +) == 1_000)
    #expect(TierTokens.split(Requests.make(), tokensIn: 0).isEmpty)
  }

  static let price = ModelPrice(
    input: 2_000_000,
    output: 10_000_000,
    cacheRead: 100_000,
    cacheWrite5m: 2_500_000,
    cacheWrite1h: 4_000_000
  )
  static let tables = ModelTables(
    version: "t1",
    aliases: [
      "smart": [
        ModelAlias(provider: "anthropic", wireID: "old", effectiveTo: "2026-06-15"),
        ModelAlias(provider: "anthropic", wireID: "new", effectiveFrom: "2026-06-15"),
      ]
    ],
    prices: [
      "claude-sonnet*": price,
      "claude-sonnet-free": ModelPrice(
        input: 0,
        output: 0,
        cacheRead: 0,
        cacheWrite5m: 0,
        cacheWrite1h: 0
      ),
    ]
  )

  @Test func `a cost is exact, by the model that answered`() {
    var usage = ModelUsage(source: .provider)
    usage.inUncached = 1_000
    usage.cacheRead = 10_000
    usage.cacheWrite5m = 100
    usage.cacheWrite1h = 10
    usage.outVisible = 50
    usage.outReasoning = 50
    // 0.002 + 0.001 + 0.00025 + 0.00004 + 0.001 USD.
    let cost = ModelPricing.cost(usage, model: "claude-sonnet-5-5-20260901", tables: Self.tables)
    #expect(cost == PicoUSD(4_290_000_000))
    #expect(cost?.usdText == "0.004290")
    let free = ModelPricing.cost(usage, model: "claude-sonnet-free", tables: Self.tables)
    #expect(free == .zero)
    #expect(ModelPricing.cost(usage, model: "gpt", tables: Self.tables) == nil)
    usage.outVisible = .max
    #expect(ModelPricing.cost(usage, model: "claude-sonnet-1", tables: Self.tables) == nil)
  }

  @Test(arguments: [("2026-06-14", "old"), ("2026-06-15", "new"), ("2027-01-01", "new")])
  func `a logical name means what its day says`(day: String, wireID: String) {
    #expect(ModelResolver.resolve("smart", on: day, tables: Self.tables)?.wireID == wireID)
    #expect(ModelResolver.resolve("other", on: day, tables: Self.tables) == nil)
  }

  @Test func `a day is the one in UTC`() {
    #expect(ModelResolver.day(unixMS: 1_796_083_199_999) == "2026-11-30")
    #expect(ModelResolver.day(unixMS: 1_796_083_200_000) == "2026-12-01")
  }

  @Test func `the estimator follows its rule`() {
    #expect(TokenEstimator.tokens("") == 0)
    #expect(TokenEstimator.tokens("abcd") == 1)
    #expect(TokenEstimator.tokens("abcde") == 2)
    #expect(TokenEstimator.tokens("नमस्ते") == 4)
    #expect(TokenEstimator.tokens("你好") == 2)
  }
}
