internal import Codecs
internal import Domain

/// Channels that a binding may have.
let knownChannels: Set<String> = ["whatsapp", "web"]

/// A tenant's spec, read.
struct TenantSpec {
  var displayName: String
  var stalePolicy: StalePolicy
  var pausedPolicy: PausedPolicy
  var pausedMessage: LocalizedText
  var accounts: [Account]

  struct Account {
    var path: String
    var channel: String
    var slug: String
    var phoneNumberID: String
    var displayNumber: String
    var appSecretRef: String
    var verifyTokenRef: String
    var accessTokenRef: String
  }

  init(_ document: AuthoredDocument, problems: Problems) {
    let spec = SpecReader(document.spec, problems: problems)
    spec.warnUnknown([
      "display_name", "stale_policy", "paused_policy", "paused_message", "channel_accounts",
    ])
    displayName = spec.string("display_name", maxLength: 200) ?? document.key.slug
    stalePolicy = spec.choice("stale_policy", of: StalePolicy.self, default: .serve)
    pausedPolicy = spec.choice("paused_policy", of: PausedPolicy.self, default: .hold)
    pausedMessage = spec.localized("paused_message")
    accounts = spec.mappings("channel_accounts").compactMap { _, account in
      account.warnUnknown([
        "channel", "slug", "phone_number_id", "display_number", "app_secret_ref",
        "verify_token_ref", "access_token_ref",
      ])
      let channel = account.string("channel") ?? "whatsapp"
      if channel != "whatsapp" {
        problems.add(
          "BND_CHANNEL_UNKNOWN",
          at: account.pointer("channel"),
          "'\(channel.prefix(40))' has no accounts",
          hint: "use whatsapp"
        )
      }
      let slug = account.required("slug", hint: "it stands in the webhook's path")
      if !slug.isEmpty, !isSlug(slug) {
        problems.add(
          "CFG_BAD_SLUG",
          at: account.pointer("slug"),
          "'\(slug.prefix(40))' is no slug",
          hint: "use a-z, 0-9 and '-'"
        )
      }
      return Account(
        path: account.path,
        channel: channel,
        slug: slug,
        phoneNumberID: account.required("phone_number_id", hint: "from the WhatsApp manager"),
        displayNumber: (account.string("display_number") ?? "").filter(\.isNumber),
        appSecretRef: secretRef(account, "app_secret_ref", default: "app_secret"),
        verifyTokenRef: secretRef(account, "verify_token_ref", default: "verify_token"),
        accessTokenRef: secretRef(account, "access_token_ref", default: "access_token")
      )
    }
  }
}

/// A reference to a secret: a name, never the value.
func secretRef(_ spec: SpecReader, _ key: String, default fallback: String) -> String {
  guard let value = spec.value(key) else { return fallback }
  // A list or mapping in its place may hold the secret as well.
  let text = value.stringValue ?? value.intValue.map(String.init) ?? ""
  let isName =
    (1 ... 100).contains(text.utf8.count) && !text.contains("..") && text.first != "/"
    && text.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "_-./".contains($0)) }
  if !isName {
    // What stands there may be a secret: it isn't shown.
    spec.problems.add(
      "TOOL_INLINE_SECRET",
      at: spec.pointer(key),
      "this is no name of a secret",
      hint: "write the secret's name; its value lives on the nodes"
    )
    return fallback
  }
  return text
}

/// A human's spec, read.
struct HumanSpec {
  var displayName: String
  var voice: VoiceSpec
  var languages: [String]
  var culturalRegister: String?
  var greeting: LocalizedText
  var apology: LocalizedText
  var guardrails: TierRules

  init(_ document: AuthoredDocument, problems: Problems) {
    let spec = SpecReader(document.spec, problems: problems)
    spec.warnUnknown([
      "display_name", "voice", "languages", "cultural_register", "greeting", "apology",
      "guardrails",
    ])
    displayName = spec.string("display_name", maxLength: 200) ?? document.key.slug
    voice = VoiceSpec(spec.object("voice"))
    languages = spec.strings("languages", maxCount: 30)
    if languages.isEmpty {
      problems.add(
        "HUM_LANG_EMPTY",
        at: spec.pointer("languages"),
        "no language is named",
        hint: "list codes, the default first: [hi, en]"
      )
    }
    for (index, language) in languages.enumerated() where !isLanguage(language) {
      problems.add(
        "HUM_BAD_LANG",
        at: "\(spec.pointer("languages"))/\(index)",
        got: .string(language),
        "not a language code",
        hint: "use codes like en, hi, kn, en-IN"
      )
    }
    culturalRegister = spec.string("cultural_register")
    greeting = spec.localized("greeting")
    apology = spec.localized("apology")
    guardrails = GuardrailReader(channels: knownChannels).rules(in: spec)
  }
}

/// A team's spec, read.
struct TeamSpec {
  var displayName: String
  var department: String?
  var members: [String]
  /// As written, for the section.
  var sops: [JSONValue]
  var procedures: [Procedure]
  var escalation: Escalation
  /// As written, for the section.
  var escalationSpec: JSONValue
  var allowedHandoffs: [String]
  var guardrails: TierRules
  /// What is said as it stands, guardrails aside.
  var said: [SaidText]

  init(_ document: AuthoredDocument, problems: Problems) {
    let spec = SpecReader(document.spec, problems: problems)
    spec.warnUnknown([
      "display_name", "department", "members", "sops", "escalation", "allowed_handoffs",
      "guardrails",
    ])
    displayName = spec.string("display_name", maxLength: 200) ?? document.key.slug
    department = spec.string("department", maxLength: 200)
    members = spec.strings("members")
    allowedHandoffs = spec.strings("allowed_handoffs")
    if allowedHandoffs.contains(document.key.slug) {
      problems.add(
        "ESC_SELF",
        at: spec.pointer("allowed_handoffs"),
        "a team hands off to itself",
        hint: "name other teams"
      )
    }
    let escalated = spec.object("escalation")
    escalationSpec = .object(escalated.members)
    escalation = Escalation(escalated, team: document.key.slug, handoffs: allowedHandoffs)
    let read = ProcedureReader(escalations: escalation.names).procedures(in: spec)
    sops = spec.value("sops")?.arrayValue ?? []
    procedures = read.procedures
    said = read.said + escalation.said
    guardrails = GuardrailReader(channels: knownChannels).rules(in: spec)
  }
}

/// A binding's spec, read.
struct BindingSpec {
  var human: String
  var team: String
  var agent: String
  var channels: [String]
  /// Channel and key, normalised, with where they stand.
  var routes: [(channel: String, key: String, path: String)]
  var isActive: Bool
  var degraded: CompiledBinding.DegradedPolicy

  init(_ document: AuthoredDocument, problems: Problems) {
    let spec = SpecReader(document.spec, problems: problems)
    spec.warnUnknown([
      "display_name", "human", "team", "agent", "channels", "routes", "is_active", "degraded",
    ])
    human = spec.required("human", hint: "the slug of a Human")
    team = spec.required("team", hint: "the slug of a Team")
    agent = spec.required("agent", hint: "the slug of an Agent")
    channels = spec.value("channels") == nil ? ["whatsapp", "web"] : spec.strings("channels")
    for (index, channel) in channels.enumerated() where !knownChannels.contains(channel) {
      problems.add(
        "BND_CHANNEL_UNKNOWN",
        at: "\(spec.pointer("channels"))/\(index)",
        got: .string(channel),
        "there is no such channel",
        hint: "use whatsapp or web"
      )
    }
    isActive = spec.bool("is_active", default: true)
    switch spec.string("degraded") ?? "serve" {
    case "serve": degraded = .serve
    case "hold": degraded = .hold
    case let other:
      problems.add(
        "CFG_CHOICE",
        at: spec.pointer("degraded"),
        got: .string(other),
        "not serve or hold",
        hint: "use serve or hold"
      )
      degraded = .serve
    }
    routes = []
    let written = spec.object("routes")
    for channel in written.members.keys.sorted() {
      guard channels.contains(channel) else {
        problems.add(
          "BND_ROUTE_KIND",
          at: written.pointer(channel),
          "the binding has no channel '\(channel.prefix(40))'",
          hint: "add it to channels, or take the route out"
        )
        continue
      }
      let isList = written.value(channel)?.arrayValue != nil
      for (index, text) in written.strings(channel, bare: true).enumerated() {
        let path = written.pointer(channel) + (isList ? "/\(index)" : "")
        if let key = Self.routeKey(text, channel: channel) {
          guard !routes.contains(where: { ($0.channel, $0.key) == (channel, key) }) else {
            continue
          }
          routes.append((channel, key, path))
        } else {
          problems.add(
            "BND_ROUTE_KIND",
            at: path,
            got: .string(text),
            channel == "whatsapp" ? "not a phone number" : "not a host name",
            hint: channel == "whatsapp"
              ? "digits with the country code, like \"919800000001\""
              : "a host in ASCII (punycode), without scheme and port"
          )
        }
      }
    }
  }

  private static func routeKey(_ text: String, channel: String) -> String? {
    if channel == "whatsapp" {
      let digits = text.filter { !" +-()".contains($0) }
      let isNumber =
        (7 ... 15).contains(digits.count) && digits.allSatisfy { $0.isASCII && $0.isNumber }
      return isNumber ? digits : nil
    }
    let host = text.lowercased()
    let labels = host.split(separator: ".", omittingEmptySubsequences: false)
    let isHost = (1 ... 253).contains(host.utf8.count) && labels.allSatisfy { isSlug(String($0)) }
    return isHost ? host : nil
  }
}
