internal import Domain
internal import Foundation
internal import HashTreeCollections
internal import Wire
internal import WireMapping

/// Makes the next image from the one before and a batch. What can't be served keeps its last good
/// form and is told; the rest is applied.
struct ImageBuilder {
  private let before: ConfigImage
  private(set) var image: ConfigImage
  /// What this batch brought and the node refuses.
  private(set) var refused: [Rejection] = []
  /// Wire keys that could not even be read.
  private(set) var unreadable: [ReadChanges.Refusal] = []

  init(_ before: ConfigImage, isWhole: Bool) {
    self.before = before
    image = isWhole ? ConfigImage() : before
  }

  mutating func apply(
    _ batch: SubscriptionMachine.Batch,
    dropping dropped: Set<BindingID> = []
  ) {
    apply(batch.changes.map { ReadChanges($0) })
    for id in dropped { drop(id) }
    image.cursor = batch.cursor
  }

  /// Sections of all parts first: a binding may stand in an earlier part than what it names.
  mutating func apply(_ parts: [ReadChanges]) {
    for part in parts {
      unreadable += part.refused
      for case .section(let section) in part.resources { put(section) }
    }
    for part in parts {
      for resource in part.resources {
        switch resource {
        case .section: break
        case .binding(let binding): put(binding)
        case .tenant(let tenant): put(tenant)
        case .channelAccount(let account):
          image.accounts[.init(channel: account.channel, key: account.slug)] = account
        case .route(let route):
          image.routes[.init(channel: route.channel, key: route.key)] = route
        case .candidate(let candidate): put(candidate)
        }
      }
    }
    let put = Set(parts.flatMap { $0.resources.map(\.key) })
    for part in parts { for key in part.removed where !put.contains(key) { remove(key) } }
    dropOrphans()
  }

  /// A fetched binding goes where its invalidation would take it from.
  mutating func drop(_ id: BindingID) {
    image.hold(nil, for: id)
    image.hold(nil, insteadOf: id)
    for key in image.rejections.keys {
      switch key {
      case .binding(_, id), .candidate(_, id): image.rejections[key] = nil
      default: break
      }
    }
    dropOrphans()
  }

  // MARK: - Puts

  private mutating func put(_ tenant: TenantResource) {
    if let old = image.tenants[tenant.tenantID], image.slugs[old.slug] == tenant.tenantID {
      image.slugs[old.slug] = nil
    }
    image.tenants[tenant.tenantID] = tenant
    image.slugs[tenant.slug] = tenant.tenantID
  }

  private mutating func put(_ section: SectionResource) {
    let key = ResourceKey.section(section.tenantID, section.digest)
    if let known = image.sections[key] ?? before.sections[key], known.resource == section {
      image.sections[key] = .init(resource: section, decoded: known.decoded)
      image.orphans.remove(key)
      return
    }
    do throws(Refusal) {
      image.sections[key] = .init(resource: section, decoded: try DecodedSection(section))
      image.orphans.remove(key)
      image.rejections[key] = nil
    } catch {
      refuse(key, section.digest, error)
    }
  }

  private mutating func put(_ binding: BindingResource) {
    let key = ResourceKey.binding(binding.tenantID, binding.bindingID)
    if var known = image.bindings[binding.bindingID] ?? before.bindings[binding.bindingID],
      known.resource.digest == binding.digest || binding.content.isEmpty,
      known.sections.allSatisfy({ image.sections[$0] != nil }) || binding.content.isEmpty
    {
      // The same content, or one refused before: only whether it is active counts.
      known.setActive(binding.isActive)
      hold(known)
      // Left out because it was refused; it may have been another form in between.
      if known.resource.digest == binding.digest {
        image.rejections[key] = nil
      } else if image.rejections[key]?.digest != binding.digest {
        image.rejections[key] =
          before.rejections[key].flatMap { $0.digest == binding.digest ? $0 : nil }
          ?? Rejection(
            key: key,
            digest: binding.digest,
            code: Refusal.Code.refusedBefore.rawValue,
            message: "this form of the binding was refused before"
          )
      }
      return
    }
    do throws(Refusal) {
      hold(try resolve(binding))
      image.rejections[key] = nil
    } catch {
      refuse(key, binding.digest, error)
      // It is served as it was before, in a whole snapshot too.
      if var good = image.bindings[binding.bindingID] ?? before.bindings[binding.bindingID] {
        good.setActive(binding.isActive)
        hold(good)
      }
    }
  }

  /// A candidate that is refused is not served at all: its people go on with the binding.
  private mutating func put(_ candidate: CandidateResource) {
    let key = ResourceKey.candidate(candidate.tenantID, candidate.bindingID)
    if var known = image.candidates[candidate.bindingID] ?? before.candidates[candidate.bindingID],
      known.resource.digest == candidate.digest,
      known.sections.allSatisfy({ image.sections[$0] != nil })
    {
      // The same content: only who has it counts.
      let content = known.resource.content
      known.resource = candidate
      known.resource.content = content
      image.hold(known, insteadOf: candidate.bindingID)
      image.rejections[key] = nil
      return
    }
    if candidate.content.isEmpty {
      // Left out because it was refused: it still is.
      image.hold(nil, insteadOf: candidate.bindingID)
      image.rejections[key] =
        before.rejections[key].flatMap { $0.digest == candidate.digest ? $0 : nil }
        ?? Rejection(
          key: key,
          digest: candidate.digest,
          code: Refusal.Code.refusedBefore.rawValue,
          message: "this candidate was refused before"
        )
      return
    }
    do throws(Refusal) {
      let held = try resolve(
        BindingResource(
          tenantID: candidate.tenantID,
          bindingID: candidate.bindingID,
          digest: candidate.digest,
          content: candidate.content,
          sectionDigests: candidate.sectionDigests,
          isActive: true
        )
      )
      image.hold(
        .init(resource: candidate, resolved: held.resolved, sections: held.sections),
        insteadOf: candidate.bindingID
      )
      image.rejections[key] = nil
    } catch {
      image.hold(nil, insteadOf: candidate.bindingID)
      refuse(key, candidate.digest, error)
    }
  }

  private func resolve(_ binding: BindingResource) throws(Refusal) -> ConfigImage.Held {
    let content = Data(binding.content.utf8)
    guard Digest(of: content) == binding.digest else {
      throw Refusal(.badDigest, "the binding's content is not what its digest names")
    }
    let compiled: CompiledBinding
    do {
      compiled = try JSONDecoder().decode(CompiledBinding.self, from: content)
    } catch {
      throw Refusal(.undecodable, "the binding: \(Refusal.place(of: error))")
    }
    guard compiled.bindingID == binding.bindingID, compiled.tenantID == binding.tenantID else {
      throw Refusal(.undecodable, "the binding's content belongs to another binding")
    }
    let names = compiled.sections
    let platform = try section(names.platform, binding.tenantID)
    let human = try section(names.human, binding.tenantID)
    let team = try section(names.team, binding.tenantID)
    let agent = try section(names.agent, binding.tenantID)
    guard case .platform(let platformSection) = platform.section.decoded,
      case .human(let humanSection) = human.section.decoded,
      case .team(let teamSection) = team.section.decoded,
      case .agent(let agentSection) = agent.section.decoded
    else { throw Refusal(.undecodable, "a section is of another tier than the binding says") }
    return ConfigImage.Held(
      resource: binding,
      resolved: ResolvedBinding(
        digest: binding.digest,
        binding: compiled,
        isActive: binding.isActive,
        platform: platformSection,
        human: humanSection,
        team: teamSection,
        agent: agentSection
      ),
      sections: [platform.key, human.key, team.key, agent.key]
    )
  }

  private func section(
    _ digest: Digest,
    _ tenant: TenantID
  ) throws(Refusal) -> (key: ResourceKey, section: ConfigImage.HeldSection) {
    for owner in [tenant, nil] {
      let key = ResourceKey.section(owner, digest)
      if let section = image.sections[key] { return (key, section) }
    }
    throw Refusal(.missingSection, "section \(digest.hex.prefix(12)) is not here")
  }

  private mutating func hold(_ held: ConfigImage.Held) {
    image.hold(held, for: held.resource.bindingID)
    for key in held.sections where image.sections[key] == nil {
      guard var section = before.sections[key] else { continue }
      section.isOrphan = true
      image.sections[key] = section
      image.orphans.insert(key)
    }
  }

  private mutating func refuse(_ key: ResourceKey, _ digest: Digest?, _ refusal: Refusal) {
    let rejection = Rejection(
      key: key,
      digest: digest,
      code: refusal.code.rawValue,
      message: refusal.message
    )
    refused.append(rejection)
    image.rejections[key] = rejection
  }

  // MARK: - Removals

  private mutating func remove(_ key: ResourceKey) {
    image.rejections[key] = nil
    switch key {
    case .tenant(let id):
      if let tenant = image.tenants.removeValue(forKey: id), image.slugs[tenant.slug] == id {
        image.slugs[tenant.slug] = nil
      }
    case .channelAccount(let owner, let channel, let slug):
      let name = ConfigImage.RouteName(channel: channel, key: slug)
      if image.accounts[name]?.tenantID == owner { image.accounts[name] = nil }
    case .route(let owner, let channel, let text):
      let name = ConfigImage.RouteName(channel: channel, key: text)
      if image.routes[name]?.tenantID == owner { image.routes[name] = nil }
    case .binding(_, let id): image.hold(nil, for: id)
    case .candidate(_, let id): image.hold(nil, insteadOf: id)
    case .section:
      guard image.sections[key] != nil else { return }
      image.sections[key]?.isOrphan = true
      image.orphans.insert(key)
    }
  }

  /// Removed sections go when no binding names them any more.
  private mutating func dropOrphans() {
    for key in image.orphans where image.uses[key] == nil {
      image.sections[key] = nil
      image.orphans.remove(key)
    }
  }
}

extension ConfigImage.Held {
  mutating func setActive(_ isActive: Bool) {
    guard resource.isActive != isActive else { return }
    resource.isActive = isActive
    resolved = ResolvedBinding(
      digest: resolved.digest,
      binding: resolved.binding,
      isActive: isActive,
      platform: resolved.platform,
      human: resolved.human,
      team: resolved.team,
      agent: resolved.agent
    )
  }
}
