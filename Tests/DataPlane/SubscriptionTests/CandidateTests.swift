import Codecs
import Domain
import Foundation
import Logging
import Testing
import Wire
import WireMapping

@testable import Subscription

/// What a node does with a rollout's candidates.
@Suite struct `A node with a candidate` {
  private let store = UUID()
  private let tenant = TenantID(UUID())
  private let bindingID = BindingID(UUID())
  private let rollout = RolloutID(UUID())

  private struct Form {
    var sections: [SectionResource]
    var compiled: BindingResource
  }

  private func section(_ kind: SectionKind, _ content: some Encodable) throws -> SectionResource {
    let text = try CanonicalJSON.encode(content)
    return SectionResource(
      tenantID: kind == .platform ? nil : tenant,
      digest: CanonicalJSON.digest(of: text),
      kind: kind,
      content: text
    )
  }

  private func form(_ name: String) throws -> Form {
    let human = HumanSection(
      slug: "h",
      displayName: name,
      prompt: name,
      languages: ["en"],
      greeting: [:],
      apology: ["en": "sorry"],
      guardrails: []
    )
    let team = TeamSection(
      slug: "t",
      displayName: "T",
      prompt: "",
      sops: [],
      escalation: .null,
      allowedHandoffs: [],
      guardrails: []
    )
    let agent: JSONValue = [
      "slug": "a", "display_name": "A", "prompt": "",
      "model_routes": ["default": "simulated", "fallback": [], "max_tokens": 100],
      "tools": [], "max_tool_iterations": 1, "memory_policy": .null, "retrieval": .null,
      "guardrails": [],
    ]
    let platform: JSONValue = [
      "prompt": "", "guardrails": [],
      "models": try JSONDecoder().decode(
        JSONValue.self,
        from: try JSONEncoder().encode(ModelTables(version: "v", aliases: [:], prices: [:]))
      ),
    ]
    let sections = [
      try section(.platform, platform), try section(.human, human), try section(.team, team),
      try section(.agent, agent),
    ]
    let compiled = CompiledBinding(
      bindingID: bindingID,
      tenantID: tenant,
      tenantSlug: "t",
      slug: "b",
      channels: ["web"],
      pins: .init(
        humanID: HumanID(UUID()),
        humanVersion: 1,
        teamID: TeamID(UUID()),
        teamVersion: 1,
        agentID: AgentID(UUID()),
        agentVersion: 1,
        compilerVersion: 1
      ),
      sections: .init(
        platform: sections[0].digest,
        human: sections[1].digest,
        team: sections[2].digest,
        agent: sections[3].digest
      ),
      degraded: .serve
    )
    let content = try CanonicalJSON.encode(compiled)
    return Form(
      sections: sections,
      compiled: BindingResource(
        tenantID: tenant,
        bindingID: bindingID,
        digest: CanonicalJSON.digest(of: content),
        content: content,
        sectionDigests: sections.map(\.digest),
        isActive: true
      )
    )
  }

  private func candidate(_ form: Form, _ points: Int, content: String? = nil) -> CandidateResource {
    CandidateResource(
      tenantID: tenant,
      bindingID: bindingID,
      rolloutID: rollout,
      digest: form.compiled.digest,
      content: content ?? form.compiled.content,
      sectionDigests: form.compiled.sectionDigests,
      basisPoints: points,
      audience: Audience()
    )
  }

  private func batch(
    _ revision: Int64,
    _ resources: [ConfigResource],
    removed: [ResourceKey] = [],
    isWhole: Bool = false
  ) -> SubscriptionMachine.Batch {
    var changes = Bindery_V1_Changes()
    for resource in resources { changes.put(resource) }
    for key in removed { changes.remove(key) }
    return .init(
      cursor: .init(incarnation: store, revision: Revision(revision)),
      isWhole: isWhole,
      changes: [changes],
      invalidated: []
    )
  }

  private func begun(_ old: Form) -> ConfigImage {
    let resources = old.sections.map { ConfigResource.section($0) } + [.binding(old.compiled)]
    return ConfigImage().applying(batch(1, resources, isWhole: true)).image
  }

  private func name(_ image: ConfigImage, _ person: String) -> String? {
    image.binding(bindingID, for: person, on: "web")?.human.displayName
  }

  @Test func `gives it to its cohort and the binding to all others, and so again after each step`()
    throws
  {
    let (old, new) = (try form("old"), try form("new"))
    var image = begun(old)
    let people = (0 ..< 300).map { "visitor-\($0)" }
    var had: Set<String> = []
    for (revision, points) in [(2, 1_000), (3, 5_000), (4, 10_000)] as [(Int64, Int)] {
      let put =
        new.sections.map { ConfigResource.section($0) }
        + [.candidate(candidate(new, points))]
      image = image.applying(batch(revision, put)).image
      #expect(image.rejections.isEmpty)
      let has = Set(people.filter { name(image, $0) == "new" })
      for person in people {
        let bucket = Cohort.bucket(of: person, on: "web", tenant: tenant, in: rollout)
        #expect(has.contains(person) == (bucket < points))
      }
      #expect(had.isSubset(of: has))
      had = has
    }
    // Taken back: nobody has it, and its section is gone.
    image =
      image.applying(
        batch(
          5,
          [],
          removed: [.candidate(tenant, bindingID), .section(tenant, new.sections[1].digest)]
        )
      ).image
    #expect(people.allSatisfy { name(image, $0) == "old" })
    #expect(!image.resources.contains { $0.key == .section(tenant, new.sections[1].digest) })
  }

  @Test func `refuses one that it can't serve, tells it, and goes on with the binding`() throws {
    let (old, new) = (try form("old"), try form("new"))
    let image = begun(old)
    let poisoned = [
      (candidate(new, 10_000), [], "MISSING_SECTION"),
      (candidate(new, 10_000, content: "{}"), new.sections, "BAD_DIGEST"),
    ]
    for (candidate, sections, code) in poisoned {
      let put = sections.map { ConfigResource.section($0) } + [.candidate(candidate)]
      let (next, rejected, _) = image.applying(batch(2, put))
      #expect(rejected.map(\.code) == [code])
      #expect(rejected.first?.key.kind == .candidate)
      #expect(rejected.first?.digest == candidate.digest.data)
      #expect(next.revision == Revision(2) && name(next, "anyone") == "old")
      // It is not sent again, and still refused: in a delta as in a whole snapshot.
      let resources =
        old.sections.map { ConfigResource.section($0) } + [
          .binding(old.compiled), .candidate(self.candidate(new, 10_000, content: "")),
        ]
      let whole = next.applying(batch(3, resources, isWhole: true))
      #expect(whole.rejected.isEmpty && whole.image.rejections.count == 1)
      #expect(whole.image.rejections.values.first?.digest == candidate.digest)
      #expect(name(whole.image, "anyone") == "old")
      // Its end ends the refusal, too.
      let over = next.applying(batch(3, [], removed: [.candidate(tenant, bindingID)])).image
      #expect(over.rejections.isEmpty)
    }
  }

  @Test func `a promotion of what it holds needs nothing but the binding`() throws {
    let (old, new) = (try form("old"), try form("new"))
    let put = new.sections.map { ConfigResource.section($0) } + [.candidate(candidate(new, 10))]
    let during = begun(old).applying(batch(2, put)).image
    let (after, rejected, _) = during.applying(
      batch(3, [.binding(new.compiled)], removed: [.candidate(tenant, bindingID)])
    )
    #expect(rejected.isEmpty)
    #expect((0 ..< 50).allSatisfy { name(after, "visitor-\($0)") == "new" })
    #expect(after.candidate(of: bindingID) == nil)
  }

  @Test func `holds it over a restart, and takes everything anew at another place`() async throws {
    let (old, new) = (try form("old"), try form("new"))
    let put = new.sections.map { ConfigResource.section($0) } + [.candidate(candidate(new, 10_000))]
    let image = begun(old).applying(batch(2, put)).image
    let cursor = try #require(image.cursor)
    let south = NodeIdentity.place(region: "south", labels: ["canary": "yes", "a": "b"])
    #expect(south == "south,a=b,canary=yes")
    let bytes = try DiskCopy.encode(image, cursor, writtenBy: "1", at: south)
    let back = try DiskCopy.decode(bytes, readBy: "1", at: south)
    #expect(name(back, "anyone") == "new" && back.resumable == cursor)
    let elsewhere = try DiskCopy.decode(bytes, readBy: "1", at: "north")
    // It serves the bindings that it has, and does not go on from them.
    #expect(name(elsewhere, "anyone") == "old" && elsewhere.resumable == nil)
  }

  @Test func `a lazy node tells what it refuses of what it fetched`() throws {
    let (old, new) = (try form("old"), try form("new"))
    let image = ConfigImage().applying(batch(1, [], isWhole: true)).image
    var fetched = Bindery_V1_Changes()
    for section in old.sections { fetched.put(.section(section)) }
    fetched.put(.binding(old.compiled))
    fetched.put(.candidate(candidate(new, 10_000)))
    let (next, rejected) = image.adding(fetched)
    #expect(rejected.map(\.code) == ["MISSING_SECTION"])
    #expect(rejected.first?.key.kind == .candidate)
    #expect(name(next, "anyone") == "old")
  }

  @Test func `a lazy node drops it with its binding`() throws {
    let (old, new) = (try form("old"), try form("new"))
    let put = new.sections.map { ConfigResource.section($0) } + [.candidate(candidate(new, 10_000))]
    let image = begun(old).applying(batch(2, put)).image
    let dropped = image.applying(batch(3, []), unconfirmed: [bindingID]).image
    #expect(dropped.binding(bindingID) == nil && dropped.candidate(of: bindingID) == nil)
  }
}
