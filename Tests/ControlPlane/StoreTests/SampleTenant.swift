import Domain
import Foundation

/// A tenant with one persona, team, agent and binding, as the planner would publish it.
struct SampleTenant {
  let slug: String
  let number: String
  let tenantID = TenantID(UUID())
  let humanID = UUID()
  let teamID = UUID()
  let agentID = UUID()
  let bindingID = BindingID(UUID())

  init(_ slug: String, number: String) {
    self.slug = slug
    self.number = number
  }

  func key(_ kind: ObjectKind, _ name: String) -> ObjectKey {
    ObjectKey(kind: kind, tenant: slug, slug: kind == .tenant ? slug : name)
  }

  func object(
    _ kind: ObjectKind,
    _ name: String,
    _ id: UUID,
    version: Int32 = 1,
    _ spec: JSONValue
  ) -> StoredObject {
    StoredObject(
      key: key(kind, name),
      id: id,
      version: version,
      spec: spec,
      updatedAt: Date()
    )
  }

  func human(version: Int32, register: String) -> StoredObject {
    object(
      .human,
      "guide",
      humanID,
      version: version,
      [
        "display_name": "Guide", "voice": ["tone": "warm"], "languages": ["hi", "en"],
        "cultural_register": .string(register), "guardrails": [],
      ]
    )
  }

  private var section: SectionResource {
    let content = "{\"of\":\"\(slug)\"}"
    return SectionResource(
      tenantID: tenantID,
      digest: Digest(of: Data(content.utf8)),
      kind: .human,
      content: content
    )
  }

  var binding: BindingResource {
    BindingResource(
      tenantID: tenantID,
      bindingID: bindingID,
      digest: Digest(of: Data(slug.utf8)),
      content: "{}",
      sectionDigests: [section.digest],
      isActive: true
    )
  }

  func tenant(pausedPolicy: PausedPolicy = .hold) -> TenantResource {
    TenantResource(
      tenantID: tenantID,
      slug: slug,
      displayName: slug.capitalized,
      status: .active,
      switchRevision: .zero,
      stalePolicy: .serve,
      pausedPolicy: pausedPolicy,
      pausedMessage: [:]
    )
  }

  /// Everything of the tenant, for an empty place.
  func publication(pausedPolicy: PausedPolicy = .hold) -> Publication {
    let objects = [
      object(
        .tenant,
        slug,
        tenantID.uuid,
        [
          "display_name": .string(slug.capitalized),
          "paused_policy": .string(pausedPolicy.rawValue),
        ]
      ),
      human(version: 1, register: "plain"),
      object(
        .team,
        "help",
        teamID,
        [
          "display_name": "Help", "department": "support", "sops": [["text": "greet"]],
          "members": ["guide"], "allowed_handoffs": ["help"],
        ]
      ),
      object(
        .agent,
        "standard",
        agentID,
        [
          "display_name": "Standard", "model_routing": ["default": "simulated"],
          "max_tool_iterations": 3,
        ]
      ),
      object(
        .binding,
        "main",
        bindingID.uuid,
        [
          "human": "guide", "team": "help", "agent": "standard", "channels": ["whatsapp", "web"],
          "is_active": true,
        ]
      ),
    ]
    return Publication(
      objects: objects,
      expected: Dictionary(objects.map { ($0.key, 0) }, uniquingKeysWith: { first, _ in first }),
      resources: [
        .tenant(tenant(pausedPolicy: pausedPolicy)),
        .channelAccount(
          ChannelAccountResource(
            tenantID: tenantID,
            channel: "whatsapp",
            slug: slug,
            phoneNumberID: "pn-\(number)",
            displayNumber: number,
            appSecretRef: "app",
            verifyTokenRef: "verify",
            accessTokenRef: "access"
          )
        ),
        .section(section), .binding(binding),
        .route(
          RouteResource(
            channel: "web",
            key: "\(slug).example.com",
            tenantID: tenantID,
            bindingID: bindingID
          )
        ),
        .route(
          RouteResource(
            channel: "whatsapp",
            key: number,
            tenantID: tenantID,
            bindingID: bindingID
          )
        ),
      ],
      removed: [],
      author: "tests",
      reason: "sample"
    )
  }

  /// A new version of the persona, planned against `expected`.
  func change(to version: Int32, expecting expected: Int32, register: String) -> Publication {
    Publication(
      objects: [human(version: version, register: register)],
      expected: [key(.human, "guide"): expected],
      resources: [.binding(binding)],
      removed: [],
      author: "tests",
      reason: "change"
    )
  }
}
