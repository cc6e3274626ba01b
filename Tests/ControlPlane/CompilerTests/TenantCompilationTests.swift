import Codecs
import Compiler
import Domain
import Foundation
import Testing

/// A tenant that is compiled change by change is the tenant compiled as a whole.
@Suite struct TenantCompilationTests {
  /// SplitMix64.
  struct Seeded: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
      state &+= 0x9e37_79b9_7f4a_7c15
      var z = state
      z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
      z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
      return z ^ (z >> 31)
    }

    mutating func pick<T>(_ values: [T]) -> T { values[Int(next() % UInt64(values.count))] }
  }

  private static func id(_ key: ObjectKey) -> UUID {
    let digest = CanonicalJSON.digest(of: key.description).bytes
    return UUID(
      uuid: (
        digest[0], digest[1], digest[2], digest[3], digest[4], digest[5], digest[6], digest[7],
        digest[8], digest[9], digest[10], digest[11], digest[12], digest[13], digest[14],
        digest[15]
      )
    )
  }

  private static func stored(
    _ kind: ObjectKind,
    _ slug: String,
    _ version: Int32,
    _ spec: JSONValue
  ) -> StoredObject {
    let key = ObjectKey(kind: kind, tenant: "shop", slug: slug)
    return StoredObject(
      key: key,
      id: id(key),
      version: version,
      spec: spec,
      status: kind == .tenant ? .active : nil,
      updatedAt: Date(timeIntervalSince1970: 1_790_000_000)
    )
  }

  private static let tenant = stored(.tenant, "shop", 1, ["display_name": "Shop"])

  private static var soundTenant: [ObjectKey: StoredObject] {
    var objects = [tenant]
    for slug in ["asha", "ravi"] { objects.append(stored(.human, slug, 1, ["languages": ["en"]])) }
    for slug in ["desk", "night"] {
      objects.append(stored(.team, slug, 1, ["members": ["asha", "ravi"]]))
    }
    for slug in ["runtime", "voice"] {
      objects.append(stored(.agent, slug, 1, ["model_routing": ["default": "simulated"]]))
    }
    for slug in ["one", "two", "three", "four"] {
      let spec: JSONValue = ["human": "asha", "team": "desk", "agent": "runtime"]
      objects.append(stored(.binding, slug, 1, spec))
    }
    return Dictionary(uniqueKeysWithValues: objects.map { ($0.key, $0) })
  }

  /// An object with a spec that is sound most of the time.
  private static func object(_ random: inout Seeded, version: Int32) -> StoredObject {
    let words: JSONValue = .array([.string(random.pick(["cure", "hello", "price", "cheap"]))])
    let rule: JSONValue = [
      "rule_id": .string(random.pick(["shop.a", "shop.b", "shop.c"])), "kind": "keyword",
      "severity": .string(random.pick(["log", "log", "block", "blok"])), "params": ["words": words],
      "overridable_by": ["human"],
    ]
    let rules: JSONValue = random.pick([[], [], [rule]])
    switch random.pick([0, 1, 2, 3, 3]) {
    case 0:
      let override: JSONValue = ["override": "shop.a", "action": "disable", "reason": "r"]
      return stored(
        .human,
        random.pick(["asha", "ravi"]),
        version,
        [
          "languages": random.pick([["hi"], ["en", "hi"], []]),
          "greeting": ["en": .string(random.pick(["hello", "good day"]))],
          "guardrails": random.pick([rules, [override]]),
        ]
      )
    case 1:
      return stored(
        .team,
        random.pick(["desk", "night"]),
        version,
        [
          "members": random.pick([["asha", "ravi"], ["asha"]]),
          "allowed_handoffs": random.pick([[], ["night"]]), "guardrails": rules,
          "sops": .array([
            .string(random.pick(["Be kind.", "Tell the price."])),
            [
              "id": "look",
              "steps": [
                ["id": "a", "call": ["tool": .string(random.pick(["look", "see"]))], "end": true]
              ],
            ],
          ]),
        ]
      )
    case 2:
      return stored(
        .agent,
        random.pick(["runtime", "voice"]),
        version,
        [
          "model_routing": ["default": "simulated"], "guardrails": rules,
          "tools": [
            ["name": .string(random.pick(["look", "see"])), "endpoint": "https://x.example/"]
          ],
        ]
      )
    default:
      return stored(
        .binding,
        random.pick(["one", "two", "three", "four"]),
        version,
        [
          "human": .string(random.pick(["asha", "ravi"])),
          "team": .string(random.pick(["desk", "night"])),
          "agent": .string(random.pick(["runtime", "voice"])),
        ]
      )
    }
  }

  @Test(
    "After any changes it holds and says what compiling the same objects anew says",
    arguments: 1 ... 12 as ClosedRange<UInt64>
  )
  func sameAsAnew(seed: UInt64) throws {
    var random = Seeded(state: seed)
    var objects = Self.soundTenant
    var kept = try TenantCompilation(tenant: "shop", objects: objects)
    #expect(try kept.diagnostics() == [])
    var sound = 0
    for version in 2 ... 40 as ClosedRange<Int32> {
      var changes: [ObjectKey: StoredObject?] = [:]
      for _ in 0 ..< random.pick([1, 1, 2, 6]) {
        let present = objects.keys.filter { $0.kind != .tenant }.sorted()
        if !present.isEmpty, random.next() % 16 == 0 {
          let gone = random.pick(present)
          changes[gone] = .some(nil)
        } else {
          let object = Self.object(&random, version: version)
          changes[object.key] = object
        }
      }
      let before = try kept.resources()
      for (key, object) in changes { objects[key] = object }
      let change = try kept.apply(changes)
      let anew = try TenantCompilation(tenant: "shop", objects: objects)
      let after = try kept.resources()
      #expect(try after == anew.resources())
      let said = try anew.diagnostics()
      #expect(try kept.diagnostics() == said)
      #expect(change.put == after.filter { before[$0.key] != $0.value })
      let gone = Set(before.keys).subtracting(after.keys).filter { key in
        guard case .section = key else { return true }
        return false
      }
      #expect(change.removed == gone)
      #expect(Set(change.diagnostics).isSubset(of: said))
      if change.put.keys.contains(where: { if case .binding = $0 { true } else { false } }) {
        sound += 1
      }
    }
    #expect(sound > 0)
  }

  @Test("An edit of one team makes one new section, and compiles only the bindings that use it")
  func oneTeam() throws {
    var objects = [Self.tenant.key: Self.tenant]
    func add(_ object: StoredObject) { objects[object.key] = object }
    add(Self.stored(.human, "asha", 1, ["languages": ["en"]]))
    add(Self.stored(.agent, "runtime", 1, ["model_routing": ["default": "simulated"]]))
    for team in 0 ..< 5 {
      add(Self.stored(.team, "team-\(team)", 1, ["members": ["asha"]]))
      for number in 0 ..< 4 {
        add(
          Self.stored(
            .binding,
            "b-\(team)-\(number)",
            1,
            ["human": "asha", "team": .string("team-\(team)"), "agent": "runtime"]
          )
        )
      }
    }
    var kept = try TenantCompilation(tenant: "shop", objects: objects)
    let edited = Self.stored(.team, "team-2", 2, ["members": ["asha"], "sops": ["Be kind."]])
    let change = try kept.apply([edited.key: edited])
    #expect(change.compiled.map(\.slug).sorted() == ["b-2-0", "b-2-1", "b-2-2", "b-2-3", "team-2"])
    let sections = change.put.values.filter { if case .section = $0 { true } else { false } }
    #expect(sections.count == 1)
    #expect(change.put.count == 5)
    #expect(change.removed.isEmpty)
  }
}
