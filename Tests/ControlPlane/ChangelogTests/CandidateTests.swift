import Domain
import Foundation
import SwiftProtobuf
import Testing
import Wire

@testable import Changelog

/// What a rollout sends to whom.
@Suite struct `Candidates on the watch` {
  private let incarnation = UUID()
  private let tenant = TenantID(UUID())
  private let bindingID = BindingID(UUID())
  private let rollout = RolloutID(UUID())

  private func section(_ text: String) -> SectionResource {
    SectionResource(
      tenantID: tenant,
      digest: Digest(of: Data(text.utf8)),
      kind: .human,
      content: text
    )
  }

  private var old: SectionResource { section("{\"old\":1}") }
  private var new: SectionResource { section("{\"new\":1}") }

  private func binding(_ section: SectionResource) -> BindingResource {
    BindingResource(
      tenantID: tenant,
      bindingID: bindingID,
      digest: Digest(of: Data("binding of \(section.content)".utf8)),
      content: "{}",
      sectionDigests: [section.digest],
      isActive: true
    )
  }

  private func candidate(_ points: Int, _ audience: Audience = Audience()) -> ConfigResource {
    .candidate(
      CandidateResource(
        tenantID: tenant,
        bindingID: bindingID,
        rolloutID: rollout,
        digest: binding(new).digest,
        content: "{\"candidate\":1}",
        sectionDigests: [new.digest],
        basisPoints: points,
        audience: audience
      )
    )
  }

  private var key: ResourceKey { .candidate(tenant, bindingID) }

  private func commit(
    _ revision: Int64,
    _ resources: [ConfigResource],
    removed: [ResourceKey] = []
  ) -> Commit {
    Commit(
      revision: Revision(revision),
      committedAt: Date(),
      resources: resources,
      removed: removed
    )
  }

  private func hub() throws -> ChangelogHub {
    let hub = ChangelogHub()
    try hub.reset(
      ConfigState(
        incarnation: incarnation,
        revision: Revision(1),
        resources: [.section(old), .binding(binding(old))]
      )
    )
    return hub
  }

  private func watcher(
    _ hub: ChangelogHub,
    region: String = "north",
    labels: [String: String] = [:],
    mode: Bindery_V1_WatchMode = .eager,
    resume: Int64 = 0
  ) throws -> Watcher {
    let watcher = hub.watch(leaseMilliseconds: 5000)
    var request = Bindery_V1_WatchRequest()
    request.hello.nodeID = "n1"
    request.hello.mode = mode
    request.hello.region = region
    request.hello.labels = labels
    if resume > 0 {
      request.hello.resumeRevision = resume
      request.hello.storeIncarnation = TenantID(incarnation).data
    }
    try watcher.receive(request)
    return watcher
  }

  /// The changes that come, and how many bytes they took.
  private func read(_ watcher: Watcher) throws -> (changes: Bindery_V1_Changes, bytes: Int) {
    var changes = Bindery_V1_Changes()
    var bytes = 0
    while let frame = try watcher.next() {
      bytes += frame.bytes.count
      let response = try Bindery_V1_WatchResponse(serializedBytes: frame.bytes)
      let part: Bindery_V1_Changes? =
        switch response.message {
        case .snapshotChunk(let part), .deltaChunk(let part): part
        case .delta(let delta): delta.changes
        case .invalidation(let it): it.changes
        default: nil
        }
      guard let part else { continue }
      changes.sections += part.sections
      changes.bindings += part.bindings
      changes.candidates += part.candidates
      changes.removed += part.removed
    }
    return (changes, bytes)
  }

  private let south = Audience(regions: ["south"])

  @Test func `and their sections go only to the nodes of the step, in delta and snapshot`() throws {
    let hub = try hub()
    let inside = try watcher(hub, region: "south")
    let outside = try watcher(hub)
    _ = (try read(inside), try read(outside))
    try hub.publish(commit(2, [.section(new), candidate(500, south)]))
    let got = try read(inside).changes
    #expect(got.candidates.map(\.basisPoints) == [500])
    #expect(got.sections.map(\.content) == [Data(new.content.utf8)])
    let other = try read(outside).changes
    #expect(other.candidates.isEmpty && other.sections.isEmpty && other.bindings.isEmpty)
    // Likewise for those who come now, and for those who come back.
    for resume in [0, 1] as [Int64] {
      let fresh = try read(try watcher(hub, region: "south", resume: resume)).changes
      #expect(fresh.candidates.count == 1)
      #expect(fresh.sections.contains { $0.content == Data(new.content.utf8) })
      let stranger = try read(try watcher(hub, resume: resume)).changes
      #expect(stranger.candidates.isEmpty)
      #expect(!stranger.sections.contains { $0.content == Data(new.content.utf8) })
    }
  }

  @Test func `by labels as by regions`() throws {
    let hub = try hub()
    try hub.publish(
      commit(2, [.section(new), candidate(500, Audience(labels: ["canary": "yes"]))])
    )
    for (labels, count) in [
      (["canary": "yes", "disk": "ssd"], 1), (["canary": "no"], 0), ([:], 0),
    ] as [([String: String], Int)] {
      #expect(try read(try watcher(hub, labels: labels)).changes.candidates.count == count)
    }
  }

  @Test func `a wider step brings the sections to those who lack them, and to nobody twice`() throws
  {
    let hub = try hub()
    let inside = try watcher(hub, region: "south")
    let outside = try watcher(hub)
    try hub.publish(commit(2, [.section(new), candidate(500, south)]))
    _ = (try read(inside), try read(outside))
    // More people, the same nodes: no section.
    try hub.publish(commit(3, [.section(new), candidate(900, south)]))
    #expect(try read(inside).changes.sections.isEmpty)
    #expect(try read(outside).changes.candidates.isEmpty)
    try hub.publish(commit(4, [.section(new), candidate(900)]))
    let late = try read(outside).changes
    #expect(late.candidates.count == 1 && late.sections.count == 1)
    #expect(try read(inside).changes.candidates.map(\.basisPoints) == [900])
    // Everybody has the sections: the promotion brings none.
    try hub.publish(commit(5, [.section(new), .binding(binding(new))], removed: [key]))
    for watcher in [inside, outside] {
      let last = try read(watcher).changes
      #expect(last.bindings.count == 1 && last.sections.isEmpty && last.candidates.isEmpty)
      // The candidate, and the section that nothing names any more.
      #expect(Set(last.removed.map(\.kind)) == [.candidate, .section])
    }
  }

  @Test func `promoted from a part of the nodes, the others get the sections with the binding`()
    throws
  {
    let hub = try hub()
    let outside = try watcher(hub)
    try hub.publish(commit(2, [.section(new), candidate(500, south)]))
    _ = try read(outside)
    try hub.publish(commit(3, [.section(new), .binding(binding(new))], removed: [key]))
    let got = try read(outside).changes
    #expect(got.bindings.count == 1 && got.sections.map(\.content) == [Data(new.content.utf8)])
  }

  @Test func `taken back, they cost a few names on the stream and no content`() throws {
    let hub = try hub()
    let watcher = try watcher(hub)
    let long = section("{\"new\":\"\(String(repeating: "x", count: 50_000))\"}")
    let candidate = ConfigResource.candidate(
      CandidateResource(
        tenantID: tenant,
        bindingID: bindingID,
        rolloutID: rollout,
        digest: Digest(of: Data("c".utf8)),
        content: "{\"c\":\"\(String(repeating: "y", count: 2_000))\"}",
        sectionDigests: [long.digest],
        basisPoints: 10_000,
        audience: Audience()
      )
    )
    _ = try read(watcher)
    try hub.publish(commit(2, [.section(long), candidate]))
    #expect(try read(watcher).bytes > 52_000)
    try hub.publish(commit(3, [], removed: [key]))
    let (changes, bytes) = try read(watcher)
    #expect(changes.candidates.isEmpty && changes.sections.isEmpty && changes.bindings.isEmpty)
    #expect(Set(changes.removed.map(\.kind)) == [.candidate, .section])
    #expect(bytes < 400, "\(bytes) bytes")
  }

  @Test func `a refused one is not sent to that node again`() throws {
    let hub = try hub()
    let refusing = try watcher(hub)
    try hub.publish(commit(2, [.section(new), candidate(500)]))
    _ = try read(refusing)
    var request = Bindery_V1_WatchRequest()
    var rejection = Bindery_V1_Rejection()
    rejection.key.kind = .candidate
    rejection.key.key = bindingID.description
    rejection.key.tenantID = tenant.data
    rejection.digest = binding(new).digest.data
    request.ack.revision = 2
    request.ack.applied = true
    request.ack.rejected = [rejection]
    try refusing.receive(request)
    try hub.publish(commit(3, [.section(new), candidate(900)]))
    let again = try read(refusing).changes.candidates
    #expect(again.map(\.basisPoints) == [900] && again.allSatisfy { $0.content.isEmpty })
    let other = try read(try watcher(hub)).changes.candidates
    #expect(other.count == 1 && other.allSatisfy { !$0.content.isEmpty })
  }

  @Test func `a lazy node fetches them with their binding, when they are for it`() throws {
    let hub = try hub()
    let lazy = try watcher(hub, region: "south", mode: .lazy)
    _ = try read(lazy)
    try hub.publish(commit(2, [.section(new), candidate(500, south)]))
    #expect(try read(lazy).changes.candidates.isEmpty)
    for (region, count) in [("south", 1), ("north", 0)] {
      let answer = try hub.fetch(
        [.binding(tenant, bindingID)],
        at: Revision(2),
        scope: WatchScope(mode: .lazy),
        place: NodePlace(region: region)
      )
      #expect(answer.changes.bindings.count == 1)
      #expect(answer.changes.candidates.count == count)
      #expect(answer.changes.sections.count == 1 + count)
    }
  }

  @Test func `beyond the bindings that an invalidation names they take theirs along`() throws {
    let state = ConfigState(
      incarnation: incarnation,
      revision: Revision(2),
      resources: [.section(old), .binding(binding(old)), .section(new), candidate(500)]
    )
    let others = (0 ..< ChangeEncoder.nameLimit).map { _ in
      ResourceKey.binding(tenant, BindingID(UUID()))
    }
    for (named, count) in [(others, 2), (Array(others.dropLast()), 0)] {
      let position = DeltaPosition(
        from: Revision(1),
        state: state,
        keys: [key],
        named: named + [.binding(tenant, bindingID)],
        subscribeSequence: 1
      )
      let content = try ChangeEncoder.delta(
        position,
        scope: WatchScope(mode: .lazy),
        rejected: [:],
        limit: ChangeEncoder.chunkBytes
      )
      let response = try Bindery_V1_WatchResponse(serializedBytes: content.frame.bytes)
      let removed = response.invalidation.changes.removed
      #expect(removed.count == count)
      #expect(removed.isEmpty || Set(removed.map(\.kind)) == [.binding, .candidate])
    }
  }

  @Test func `are not folded in without their sections`() {
    let state = ConfigState(
      incarnation: incarnation,
      revision: Revision(1),
      resources: [.section(old), .binding(binding(old))]
    )
    #expect(!state.holdsSections(of: commit(2, [candidate(500)])))
    #expect(state.holdsSections(of: commit(2, [.section(new), candidate(500)])))
  }

  @Test func `nodes of the same rollouts share frames, whatever else they are labelled with`()
    throws
  {
    let scope = WatchScope(mode: .eager)
    let audiences = [south, Audience(labels: ["canary": "yes"])]
    let one = scope.among(audiences, at: NodePlace(region: "south", labels: ["rack": "1"]))
    let other = scope.among(audiences, at: NodePlace(region: "south", labels: ["rack": "2"]))
    #expect(one == other && one.isAmong(south) && !one.isAmong(audiences[1]))
    #expect(scope.among([], at: NodePlace(region: "south")) == scope)
  }

  /// However steps widen, rollouts end and nodes come and go: a node holds a candidate exactly when the
  /// state has one for it, and then its sections too; from a delta as from a snapshot.
  @Test(arguments: 0 ..< 40)
  func `leave every node with what its snapshot would hold`(_ seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    let hub = try hub()
    let places: [(String, [String: String])] = [
      ("south", [:]), ("north", [:]), ("south", ["canary": "yes"]),
    ]
    var watchers = try places.map { try watcher(hub, region: $0.0, labels: $0.1) }
    var held: [Held] = [Held(), Held(), Held()]
    let audiences = [south, Audience(labels: ["canary": "yes"]), Audience()]
    var isActive = false
    var current = old
    for revision in 2 ..< 40 as Range<Int64> {
      switch Int.random(in: 0 ..< 4, using: &random) {
      case 0 where isActive:
        try hub.publish(commit(revision, [], removed: [key]))
        isActive = false
      case 1 where isActive:
        current = new
        try hub.publish(
          commit(revision, [.section(new), .binding(binding(new))], removed: [key])
        )
        isActive = false
      case 2:
        current = Bool.random(using: &random) ? old : new
        try hub.publish(commit(revision, [.section(current), .binding(binding(current))]))
      default:
        let audience = audiences[Int.random(in: 0 ..< 3, using: &random)]
        let points = Int.random(in: 1 ... 10_000, using: &random)
        try hub.publish(commit(revision, [.section(new), candidate(points, audience)]))
        isActive = true
      }
      for index in places.indices where Bool.random(using: &random) {
        held[index].apply(try read(watchers[index]).changes)
        let (region, labels) = places[index]
        let fresh = try watcher(hub, region: region, labels: labels)
        var whole = Held()
        whole.apply(try read(fresh).changes)
        #expect(held[index].candidate == whole.candidate, "seed \(seed), revision \(revision)")
        #expect(whole.sections.isSubset(of: held[index].sections))
        if held[index].candidate != nil {
          #expect(held[index].sections.contains(new.digest.data))
        }
        #expect(held[index].sections.contains(current.digest.data))
        if Bool.random(using: &random) {
          watchers[index] = try watcher(hub, region: region, labels: labels, resume: revision)
          _ = try read(watchers[index])
        }
      }
    }
  }

  private struct Held {
    var candidate: Bindery_V1_Candidate?
    var sections: Set<Data> = []

    mutating func apply(_ changes: Bindery_V1_Changes) {
      for section in changes.sections { sections.insert(section.digest) }
      if let last = changes.candidates.last { candidate = last }
      for key in changes.removed {
        if key.kind == .candidate, changes.candidates.isEmpty { candidate = nil }
        if key.kind == .section, let hex = key.key.split(separator: "/").last,
          let digest = Digest(hex: String(hex))
        {
          sections.remove(digest.data)
        }
      }
    }
  }
}
