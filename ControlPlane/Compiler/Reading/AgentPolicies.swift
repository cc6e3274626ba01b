internal import Domain

/// Checks what an agent remembers and finds again. Both are stored as they were written.
enum AgentPolicies {
  static func checkMemory(_ memory: SpecReader) {
    memory.warnUnknown([
      "episodic_topk", "facts", "decay", "half_life_h", "weights", "min_score", "min_confidence",
      "ttl_days", "summary",
    ])
    let code = "MEM_RANGE"
    _ = memory.int("episodic_topk", in: 0 ... 100, default: 5, code: code)
    _ = memory.bool("facts", default: true)
    _ = memory.word("decay", of: ["recency", "none"])
    _ = memory.number("half_life_h", in: 0.1 ... 87_600, default: 168, code: code)
    let weights = memory.object("weights")
    weights.warnUnknown(["relevance", "recency", "importance"])
    let most =
      weights.number("relevance", in: 0 ... 10, default: 1, code: code)
      + weights.number("recency", in: 0 ... 10, default: 0.5, code: code)
      + weights.number("importance", in: 0 ... 10, default: 0.5, code: code)
    let least = memory.number("min_score", in: 0 ... 30, default: 0.2, code: code)
    if least > most, memory.value("min_score") != nil {
      memory.problems.add(
        code,
        at: memory.pointer("min_score"),
        "no memory can have this score",
        hint: "the weights add up to \(most)"
      )
    }
    _ = memory.number("min_confidence", in: 0 ... 1, default: 0.6, code: code)
    _ = memory.int("ttl_days", in: 1 ... 36_500, default: 365, code: code)
    let summary = memory.object("summary")
    summary.warnUnknown(["after_turns", "keep_last"])
    let after = summary.int("after_turns", in: 1 ... 1_000, default: 20, code: code)
    let kept = summary.int("keep_last", in: 0 ... 1_000, default: 8, code: code)
    if kept >= after, summary.value("keep_last") != nil || summary.value("after_turns") != nil,
      !summary.problems.hasErrors(at: summary.path)
    {
      summary.problems.add(
        code,
        at: summary.pointer(summary.value("keep_last") == nil ? "after_turns" : "keep_last"),
        "nothing would be left to sum up: the last \(kept) of \(after) turns are kept",
        hint: "keep fewer than after_turns"
      )
    }
  }

  /// The database has one HNSW index, by cosine distance (m0001).
  static func checkRetrieval(_ retrieval: SpecReader) {
    retrieval.warnUnknown(["index", "metric", "ef_search", "top_k"])
    let index = retrieval.word("index", of: ["hnsw", "exact"], code: "RET_INDEX_MISMATCH")
    if let metric = retrieval.string("metric"), metric != "cosine" {
      retrieval.problems.add(
        "RET_INDEX_MISMATCH",
        at: retrieval.pointer("metric"),
        "the index is built for cosine",
        hint: "use cosine"
      )
    }
    let ef = retrieval.int("ef_search", in: 1 ... 1_000, default: 64, code: "RET_EF_RANGE")
    let count = retrieval.int("top_k", in: 1 ... 100, default: 5)
    // pgvector's search gives at most ef_search rows.
    if index == "hnsw", ef < count, retrieval.value("ef_search") != nil {
      retrieval.problems.add(
        "RET_EF_RANGE",
        at: retrieval.pointer("ef_search"),
        "a search that looks at \(ef) rows can't give \(count)",
        hint: "use at least top_k"
      )
    }
  }
}
