internal import Foundation
internal import Synchronization

/// What `bindery-bench publish` found.
struct PublishReport {
  struct Size: Sendable {
    let bindings: Int
    /// The very first one, before anything of its tenant is compiled; ms.
    var first = 0.0
    var times = Times()
  }

  struct Wide: Sendable {
    var times = Times()
    /// Small publishes of the same tenant, and of another one, while the wide one ran.
    var same = Times()
    var others = Times()
  }

  let world: PublishWorld
  let publishes: Int
  var startSeconds = 0.0
  var startMiB = 0.0
  var peakMiB = 0.0
  var size: [Size] = []
  var wide = Wide()

  var text: String {
    let (tenants, tiers, bindings) = (world.tenants, world.tiers, world.bindings)
    var first = TextTable([
      "\(tenants * bindings) bindings, \(tenants * tiers) of each tier, \(tenants) tenants", "",
    ])
    first.add(["start of the daemon until it serves, s (median)", decimals(startSeconds, 2)])
    first.add(["memory of the daemon after its start, MiB", decimals(startMiB, 0)])
    first.add(["its peak, MiB", decimals(peakMiB, 0)])
    var table = TextTable(["publish that touches", "p50", "p99", "max", "first", "publishes"])
    for size in size {
      table.add([
        "\(size.bindings) bindings", decimals(size.times.quantile(0.5)),
        decimals(size.times.quantile(0.99)), decimals(size.times.quantile(1)),
        decimals(size.first), "\(size.times.count)",
      ])
    }
    func row(_ name: String, _ times: Times) {
      table.add([
        name, decimals(times.quantile(0.5)), decimals(times.quantile(0.99)),
        decimals(times.quantile(1)), "-", "\(times.count)",
      ])
    }
    row("\(world.wide) bindings", wide.times)
    row("10, meanwhile, same tenant", wide.same)
    row("10, meanwhile, another tenant", wide.others)
    return first.text + "\n\n" + table.text + "\n(ms from the call of Apply to its answer)"
  }

  private struct Row: Encodable {
    let bindings: Int
    let publishes: Int
    let p50: Double
    let p99: Double
    let max: Double
    let first: Double?

    init(_ bindings: Int, _ times: Times, first: Double? = nil) {
      self.bindings = bindings
      publishes = times.count
      p50 = times.quantile(0.5)
      p99 = times.quantile(0.99)
      max = times.quantile(1)
      self.first = first
    }
  }

  private struct Document: Encodable {
    let tenants: Int
    let tiers: Int
    let bindings: Int
    let start_s: Double
    let start_mib: Double
    let peak_mib: Double
    let publish_ms: [Row]
    let wide_ms: Row
    let same_tenant_meanwhile_ms: Row
    let other_tenant_meanwhile_ms: Row
  }

  func json() throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
    let document = Document(
      tenants: world.tenants,
      tiers: world.tenants * world.tiers,
      bindings: world.tenants * world.bindings,
      start_s: startSeconds,
      start_mib: startMiB,
      peak_mib: peakMiB,
      publish_ms: size.map { Row($0.bindings, $0.times, first: $0.first) },
      wide_ms: Row(world.wide, wide.times),
      same_tenant_meanwhile_ms: Row(10, wide.same),
      other_tenant_meanwhile_ms: Row(10, wide.others)
    )
    return String(decoding: try encoder.encode(document), as: UTF8.self)
  }
}

/// Set once, read from anywhere.
final class Signal: Sendable {
  private let value = Atomic<Bool>(false)

  var isSet: Bool { value.load(ordering: .acquiring) }
  func set() { value.store(true, ordering: .releasing) }
}
