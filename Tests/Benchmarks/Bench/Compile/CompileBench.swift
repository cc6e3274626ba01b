internal import ArgumentParser
internal import Compiler
internal import Domain
internal import Foundation

struct CompileBench: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "compile",
    abstract: "A whole tenant compiled from cold, and again after one edit.",
    discussion: """
      The pure compiler alone: no database, no network, one core. All bindings are in one tenant, and \
      hardly two of them have the same three tiers. After an edit of one team only the bindings that \
      use it may be compiled, and exactly one section may be new; the run fails otherwise.
      """
  )

  @Option(help: "Bindings.") var bindings = 100_000
  @Option(help: "Humans, teams and agents, of each.") var tiers = 1_000
  @Option(help: "Edits of a team, one after another.") var edits = 20
  @Flag(help: "Print JSON.") var json = false
  // Given by Shared/Scripts/bench to all parts; nothing is read from it here.
  @Option(help: .hidden) var repository: String?

  func run() async throws {
    let world = CompileWorld(tiers: tiers, bindings: bindings)
    let objects = world.objects()
    let ownMemory = try ProcessUsage.residentKiB(of: getpid())
    let start = monotonicNanoseconds()
    var tenant = try TenantCompilation(tenant: world.tenant, objects: objects)
    let cold = Double(monotonicNanoseconds() - start) / 1e9
    let errors = try tenant.diagnostics().filter { $0.level == .error }
    if let error = errors.first {
      throw BenchFailure("\(error.slug) \(error.path): \(error.message)")
    }
    let compiled = try tenant.resources().values.count {
      if case .binding = $0 { true } else { false }
    }
    guard compiled == bindings else {
      throw BenchFailure("\(compiled) of \(bindings) bindings were compiled")
    }
    let keptMemory = try ProcessUsage.residentKiB(of: getpid())
    var edit = Times()
    var users = 0
    for number in 1 ... max(1, edits) {
      let team = world.team(number % tiers, edit: number)
      let began = monotonicNanoseconds()
      let change = try tenant.apply([team.key: team])
      edit.add(from: began, to: monotonicNanoseconds())
      users = try Self.check(change)
    }
    let report = Report(
      bindings: bindings,
      tiers: tiers,
      coldSeconds: cold,
      bindingsPerSecond: Double(bindings) / cold,
      bindingsOfAnEdit: users,
      editP50MS: edit.quantile(0.5),
      editP99MS: edit.quantile(0.99),
      editShareOfCold: edit.quantile(0.5) / 1e3 / cold,
      objectsMiB: ownMemory / 1_024,
      compiledMiB: (keptMemory - ownMemory) / 1_024,
      peakMiB: try ProcessUsage.peakResidentKiB(of: getpid()) / 1_024
    )
    if json {
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
      print(String(decoding: try encoder.encode(report), as: UTF8.self))
    } else {
      print(report.text)
    }
  }

  /// The bindings that were compiled; all of them anew, and one section.
  private static func check(_ change: TenantCompilation.Change) throws -> Int {
    let bindings = change.put.values.count { if case .binding = $0 { true } else { false } }
    let sections = change.put.values.count { if case .section = $0 { true } else { false } }
    guard sections == 1, bindings == change.compiled.count - 1, change.removed.isEmpty else {
      throw BenchFailure(
        "an edit of one team made \(sections) sections and \(bindings) of \(change.compiled.count) objects"
      )
    }
    return bindings
  }
}

extension CompileBench {
  private struct Report: Encodable {
    let bindings: Int
    let tiers: Int
    let coldSeconds: Double
    let bindingsPerSecond: Double
    let bindingsOfAnEdit: Int
    let editP50MS: Double
    let editP99MS: Double
    let editShareOfCold: Double
    let objectsMiB: Double
    let compiledMiB: Double
    let peakMiB: Double

    private enum CodingKeys: String, CodingKey {
      case bindings
      case tiers
      case coldSeconds = "cold_s"
      case bindingsPerSecond = "bindings_per_s"
      case bindingsOfAnEdit = "bindings_of_an_edit"
      case editP50MS = "edit_p50_ms"
      case editP99MS = "edit_p99_ms"
      case editShareOfCold = "edit_share_of_cold"
      case objectsMiB = "objects_mib"
      case compiledMiB = "compiled_mib"
      case peakMiB = "peak_mib"
    }

    var text: String {
      var table = TextTable(["\(bindings) bindings over \(tiers) of each tier", ""])
      table.add(["compiled from cold, s", decimals(coldSeconds, 2)])
      table.add(["bindings/s", decimals(bindingsPerSecond, 0)])
      table.add(["bindings that one edited team is in", "\(bindingsOfAnEdit)"])
      table.add(["compiled after its edit, ms, p50", decimals(editP50MS, 2)])
      table.add(["compiled after its edit, ms, p99", decimals(editP99MS, 2)])
      table.add(["share of the cold time", decimals(editShareOfCold * 100, 2) + "%"])
      table.add([
        "share of the bindings",
        decimals(Double(bindingsOfAnEdit) / Double(bindings) * 100, 2) + "%",
      ])
      table.add(["memory of the specs, MiB", decimals(objectsMiB, 0)])
      table.add(["memory of the compiled form, MiB", decimals(compiledMiB, 0)])
      table.add(["peak, MiB", decimals(peakMiB, 0)])
      return table.text
    }
  }
}
