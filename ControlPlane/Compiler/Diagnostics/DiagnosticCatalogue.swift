package import Domain

/// All codes that the compiler gives, and what each means: an author's index.
///
/// A code's meaning never changes; scripts and dashboards count on it.
package enum DiagnosticCatalogue {
  package struct Entry: Hashable, Sendable {
    package let code: String
    /// What it mostly is; where a milder case is a warning, its text says so.
    package let level: Diagnostic.Level
    package let meaning: String
  }

  package static let entries: [Entry] =
    guardrails + procedures + tools + runtime + personas + bindings + documents

  private static func error(_ code: String, _ meaning: String) -> Entry {
    Entry(code: code, level: .error, meaning: meaning)
  }

  private static func warning(_ code: String, _ meaning: String) -> Entry {
    Entry(code: code, level: .warning, meaning: meaning)
  }

  private static let guardrails = [
    error("GRD_BAD_ID", "A rule's id is none, or begins with the reserved 'platform.'."),
    error("GRD_DUP_ID", "One tier has two rules with one id."),
    error("GRD_UNKNOWN_KIND", "No kind of rule, or one that nodes can't run yet."),
    error("GRD_BAD_SEVERITY", "The severity is missing, or not block, rewrite or log."),
    error("GRD_BAD_STAGE", "No such stage of a turn, or one at which the kind can't run."),
    error("GRD_BAD_REGEX", "A pattern or list of words that the matcher can't read."),
    error("GRD_UNSAFE_REGEX", "A pattern outside of the linear-time subset."),
    error("GRD_REWRITE_MISSING", "The rule rewrites, but doesn't say how, or its kind can't."),
    error("GRD_KIND_CLASH", "Two tiers have one rule id with different kinds."),
    error(
      "GRD_CONTRADICTION",
      "What must be said is what another rule forbids, or nothing is left."
    ),
    error("GRD_OVERRIDE_DENIED", "An override of a rule that is not there, or doesn't permit it."),
  ]

  private static let procedures = [
    error("SOP_UNKNOWN_TOOL", "A step calls a tool that a binding's agent lacks."),
    error("SOP_DANGLING_GOTO", "A step leads to a step or escalation that is not there."),
    warning("SOP_UNREACHABLE", "No way leads to a step."),
    error("SOP_NO_EXIT", "The procedure is empty, or can't come to an end from a step."),
    error("SOP_BAD_TEMPLATE", "A {{…}} is malformed or names what the procedure doesn't have."),
    error("ESC_UNKNOWN_TEAM", "An escalation goes to a team that the tenant lacks."),
    error("ESC_NOT_ALLOWED", "An escalation goes to a team that is not in allowed_handoffs."),
    error("ESC_SELF", "A team hands off or escalates to itself."),
    warning("ESC_UNKNOWN_RULE", "An escalation waits for a guardrail that no tier has."),
    error("TEAM_HANDOFF_FOREIGN", "allowed_handoffs names a team that the tenant lacks."),
  ]

  private static let tools = [
    error("TOOL_BAD_NAME", "A tool's name is not ^[a-zA-Z0-9_-]{1,64}$."),
    error("TOOL_DUP", "Two tools of an agent have one name."),
    error("TOOL_BAD_SCHEMA", "The arguments' JSON Schema can't be used."),
    error("TOOL_INSECURE_URL", "An endpoint is no https URL."),
    error("TOOL_PRIVATE_HOST", "An endpoint is on a private network."),
    error("TOOL_INLINE_SECRET", "A secret stands where its name is due."),
    warning("TOOL_APPROVAL_REQUIRED", "A call that can't be repeated is to go without approval."),
  ]

  private static let runtime = [
    error("MEM_RANGE", "A number of the memory policy is out of range."),
    error("RET_INDEX_MISMATCH", "The retrieval doesn't fit the database's index."),
    error("RET_EF_RANGE", "ef_search is out of range, or less than top_k."),
    error("AGT_NO_DEFAULT_MODEL", "No default model is named."),
    error("AGT_UNKNOWN_MODEL", "No alias has this name."),
    warning("AGT_MODEL_RETIRED", "The provider has retired the model; another answers."),
    error("AGT_MODEL_UNFIT", "The model can't do what the agent asks of it."),
    error("AGT_ITER_RANGE", "max_tool_iterations is not 0 through 20."),
  ]

  private static let personas = [
    error("HUM_LANG_EMPTY", "A human speaks no language."),
    error("HUM_BAD_LANG", "No language code (RFC 5646)."),
    warning("VOICE_UNKNOWN_KEY", "A key of the voice has no effect."),
  ]

  private static let bindings = [
    error("BND_HUMAN_NOT_IN_TEAM", "A binding's human is no member of its team."),
    error("BND_FOREIGN_TIER", "A human, team or agent that the tenant lacks."),
    error("BND_ROUTE_TAKEN", "Another binding has the route."),
    error("BND_ROUTE_KIND", "No phone number or host, or a channel that the binding lacks."),
    error("BND_CHANNEL_UNKNOWN", "No such channel."),
    error("TEN_ACCOUNT_TAKEN", "Another tenant has the channel account's slug."),
  ]

  private static let documents = [
    error("CFG_TOO_LARGE", "More than is read or stored."),
    error("CFG_TYPE", "A value of another type is due."),
    error("CFG_MISSING", "A value is missing."),
    error("CFG_RANGE", "A number is out of range."),
    error("CFG_CHOICE", "None of the values that can stand here."),
    warning("CFG_UNKNOWN_KEY", "A key has no effect; at the top of a document an error."),
    error("CFG_BAD_SLUG", "No slug."),
    error("CFG_DUPLICATE", "Written twice."),
    error("CFG_UNKNOWN_TENANT", "There is no such tenant."),
    error("CFG_UNKNOWN_KIND", "No kind of document."),
    error("CFG_BAD_DOCUMENT", "No mapping with kind, tenant, slug and spec."),
    error("CFG_BAD_YAML", "The text is no YAML or JSON."),
    error("CFG_NO_FILE", "A file or folder that can't be read."),
  ]
}
