internal import ArgumentParser
internal import Foundation
internal import GRPCCore
internal import Scenario
internal import Transport
internal import Wire
internal import WireServices

struct PublishBench: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "publish",
    abstract: "Start of the daemon and publishes with 100,000 bindings, on a real database.",
    discussion: """
      A real bindery-control on its own PostgreSQL, durable as it ships. The bindings are applied \
      through the API first, which takes minutes; --data keeps them for the next run. A publish is \
      timed from the call of Apply to its answer: read, planned, compiled and committed; no node \
      watches. Each edit must recompile exactly the bindings that use the tier, or the run fails.
      """
  )

  enum Output: String, ExpressibleByArgument { case table, json }

  @OptionGroup var place: BenchPlace
  @Option(help: "Bindings over all tenants.") var bindings = 100_000
  @Option(help: "Humans, teams and agents over all tenants, of each.") var tiers = 1_000
  @Option(help: "Tenants.") var tenants = 5
  @Option(help: "Publishes for each size.") var publishes = 200
  @Option(help: "Publishes ahead of those that count, for each size.") var warmUp = 20
  @Option(help: "Edits of the tier that half a tenant's bindings use.") var wideEdits = 5
  @Option(help: "Starts of the daemon that are timed.") var starts = 3
  @Option(help: "Folder with the data of an earlier run, or for the next one.") var data: String?
  @Option(name: [.customShort("o"), .long], help: "table or json.") var output: Output = .table

  private static let port = 7960

  func validate() throws {
    guard tenants > 0, tiers % tenants == 0, bindings % tenants == 0, tiers / tenants >= 20,
      bindings / tenants >= 2 * tiers / tenants
    else {
      throw ValidationError(
        "tenants must divide tiers and bindings; each needs 20 tiers and twice as many bindings"
      )
    }
  }

  func run() async throws {
    try await place.withFolder { folder in
      let kept = data.map { URL(filePath: $0) } ?? folder.appending(path: "control")
      try FileManager.default.createDirectory(at: kept, withIntermediateDirectories: true)
      note(place.machine.trimmingCharacters(in: .whitespacesAndNewlines))
      let world = PublishWorld(
        tenants: tenants,
        tiers: tiers / tenants,
        bindings: bindings / tenants
      )
      try await load(world, kept, folder)
      var report = PublishReport(world: world, publishes: publishes)
      var start = Times()
      for number in 1 ... max(1, starts) {
        let (control, milliseconds) = try await launch(kept, folder, "start-\(number)")
        start.add(milliseconds: milliseconds)
        report.startMiB = try ProcessUsage.peakResidentKiB(of: control.processIdentifier) / 1_024
        guard number == max(1, starts) else {
          await control.stop()
          continue
        }
        report.startSeconds = start.quantile(0.5) / 1e3
        do {
          try await measure(world, control, &report)
        } catch {
          await control.stop()
          throw error
        }
        report.peakMiB = try ProcessUsage.peakResidentKiB(of: control.processIdentifier) / 1_024
        await control.stop(within: .seconds(60))
      }
      print(output == .json ? try report.json() : report.text)
    }
  }

  /// What is no result goes to the error output, so that JSON stays JSON.
  private func note(_ text: String) { FileHandle.standardError.write(Data("\(text)\n".utf8)) }

  // MARK: - The daemon

  /// Starts it and returns how long that took, in ms.
  private func launch(
    _ data: URL,
    _ folder: URL,
    _ name: String
  ) async throws -> (Program, Double) {
    let layout = try place.layout()
    let began = monotonicNanoseconds()
    let control = try Program(
      "bindery-control",
      path: try layout.program("bindery-control"),
      arguments: [
        "--grpc", "127.0.0.1:\(Self.port)", "--http", "127.0.0.1:\(Self.port + 1)", "--data-dir",
        data.path, "--postgres-binaries", layout.postgres.path,
      ],
      log: folder.appending(path: "\(name).log")
    )
    do {
      try await control.waitUntilReady(within: .seconds(300))
    } catch {
      await control.stop()
      throw error
    }
    return (control, Double(monotonicNanoseconds() - began) / 1e6)
  }

  private func load(_ world: PublishWorld, _ data: URL, _ folder: URL) async throws {
    let marker = data.appending(path: "bench-publish")
    let shape = "\(world.tenants) \(world.tiers) \(world.bindings)"
    if let made = FileManager.default.contents(atPath: marker.path) {
      guard String(decoding: made, as: UTF8.self) == shape else {
        throw BenchFailure("\(data.path) holds another shape; name another folder by --data")
      }
      return note("the bindings of an earlier run are in \(data.path)")
    }
    let (control, _) = try await launch(data, folder, "load")
    do {
      try await withClient(port: Self.port) { client in
        let admin = Bindery_V1_Admin.Client(wrapping: client)
        let began = ContinuousClock.now
        var count = 0
        for tenant in 0 ..< world.tenants {
          for batch in world.batches(of: tenant) {
            _ = try await Self.apply(batch, by: admin)
            count += batch.count
          }
          note("\(count) objects applied after \(ContinuousClock.now - began)")
        }
      }
    } catch {
      await control.stop()
      throw error
    }
    if let fault = await control.stop(within: .seconds(60)) { throw BenchFailure(fault) }
    try Data(shape.utf8).write(to: marker)
  }

  typealias Admin = Bindery_V1_Admin.Client<HTTP2ClientTransport>

  @discardableResult
  private static func apply(
    _ documents: [Bindery_V1_Document],
    by admin: Admin
  ) async throws -> Bindery_V1_ApplyResponse {
    var request = Bindery_V1_ApplyRequest()
    request.documents = documents
    request.author = "bench"
    let response = try await admin.apply(request)
    guard response.ok else {
      let first = response.diagnostics.first { $0.level == "error" }
      throw BenchFailure("not applied: \(first?.slug ?? "") \(first?.message ?? "")")
    }
    return response
  }

  // MARK: - Publishes

  /// Times one edit, in ms; it must recompile this many bindings.
  private static func time(
    _ document: Bindery_V1_Document,
    touching count: Int,
    by admin: Admin
  ) async throws -> Double {
    let began = monotonicNanoseconds()
    let response = try await apply([document], by: admin)
    let milliseconds = Double(monotonicNanoseconds() - began) / 1e6
    guard response.recompiledBindings.count == count else {
      throw BenchFailure(
        "an edit of \(document.slug) recompiled \(response.recompiledBindings.count) bindings, not \(count)"
      )
    }
    return milliseconds
  }

  private func measure(
    _ world: PublishWorld,
    _ control: Program,
    _ report: inout PublishReport
  ) async throws {
    report.size = try await withClient(port: Self.port) { client in
      let admin = Bindery_V1_Admin.Client(wrapping: client)
      var sizes: [PublishReport.Size] = []
      for count in [1, 10, world.bindings / world.tiers] {
        var size = PublishReport.Size(bindings: count)
        for number in 0 ..< warmUp + publishes {
          let tenant = number % world.tenants
          let edit = Int(monotonicNanoseconds() % 1_000_000_007)
          let place = number / world.tenants
          let document =
            if count <= 10 {
              world.human(tenant, usedBy: count, place, edit: edit)
            } else {
              world.team(
                tenant,
                place % world.tiers,
                members: world.members(tenant, place % world.tiers),
                edit: edit
              )
            }
          let time = try await Self.time(document, touching: count, by: admin)
          if number == 0 { size.first = time }
          if number >= warmUp { size.times.add(milliseconds: time) }
        }
        sizes.append(size)
        note("\(count) bindings: done")
      }
      return sizes
    }
    report.wide = try await withClient(port: Self.port) { client in
      let admin = Bindery_V1_Admin.Client(wrapping: client)
      var wide = PublishReport.Wide()
      for number in 0 ..< max(1, wideEdits) {
        let round = try await round(world, number, admin)
        wide.times.add(milliseconds: round.wide)
        for time in round.same { wide.same.add(milliseconds: time) }
        for time in round.others { wide.others.add(milliseconds: time) }
      }
      return wide
    }
  }

  private struct Round: Sendable {
    var wide = 0.0
    /// Of the same tenant, while the wide one ran.
    var same: [Double] = []
    var others: [Double] = []
  }

  /// One edit of the wide agent, and what two other writers publish meanwhile.
  private func round(_ world: PublishWorld, _ number: Int, _ admin: Admin) async throws -> Round {
    enum Part {
      case wide(Double)
      case writer(isSame: Bool, [Double])
    }
    let isDone = Signal()
    return try await withThrowingTaskGroup(of: Part.self) { group in
      group.addTask {
        defer { isDone.set() }
        let edit = Int(monotonicNanoseconds() % 1_000_000_007)
        let document = world.agent(0, 0, edit: edit)
        return .wide(try await Self.time(document, touching: world.wide, by: admin))
      }
      for tenant in [0, 1 % world.tenants] {
        group.addTask {
          var times: [Double] = []
          var place = number * 7
          while !isDone.isSet {
            let edit = Int(monotonicNanoseconds() % 1_000_000_007)
            // A team is no tier of the wide edit: whether its bindings are is the point.
            let document = world.human(tenant, usedBy: 10, place, edit: edit)
            place += 1
            times.append(try await Self.time(document, touching: 10, by: admin))
          }
          return .writer(isSame: tenant == 0, times)
        }
      }
      var round = Round()
      for try await part in group {
        switch part {
        case .wide(let time): round.wide = time
        case .writer(let isSame, let times):
          if isSame { round.same += times } else { round.others += times }
        }
      }
      return round
    }
  }
}
