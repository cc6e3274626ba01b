internal import Codecs
package import Domain
package import Foundation

/// What stored bindings compile to by now.
package struct Recompilation: Sendable {
  /// Forms that are other than the stored ones, after the sections that they name.
  package var resources: [ConfigResource] = []
  /// Bindings whose form is the stored one.
  package var same: [UUID] = []
  /// Bindings that do not compile any more, by id, with all that is wrong.
  package var failed: [UUID: [Diagnostic]] = [:]
}

extension Planner {
  /// What decides how bindings are compiled, besides their specs.
  ///
  /// - Throws: `CanonicalJSONError`, `EncodingError` when the tables hold a number that JSON has not.
  package func identity() throws -> (
    fingerprint: Digest, version: Int, alias: String, price: String
  ) {
    let (alias, price) = (compiler.tables.version, compiler.priceTable)
    let text = try CanonicalJSON.encode(
      .array([
        .int(Int64(compiler.compilerVersion)), .string(try compiler.platform().digest.hex),
        .string(alias), .string(price),
      ])
    )
    return (CanonicalJSON.digest(of: text), compiler.compilerVersion, alias, price)
  }

  /// Compiles the bindings of a tenant that are in `world`, with their tiers, as they are stored.
  ///
  /// - Throws: as `TenantCompilation`.
  package func recompile(_ world: World, tenant: String) throws -> Recompilation {
    let objects = world.objects.filter { $0.key.tenant == tenant }
    let compilation = try TenantCompilation(
      of: TenantObjects(
        slug: tenant,
        objects: objects,
        names: world.names.filter { $0.key.tenant == tenant }.mapValues(\.id),
        settled: Set(objects.keys.filter { ![.tenant, .binding].contains($0.kind) })
      ),
      by: compiler,
      cache: cache
    )
    let whole = try compilation.compiled()
    var result = Recompilation()
    var sections: [ResourceKey: ConfigResource] = [:]
    var bindings: [ConfigResource] = []
    for (key, object) in objects.sorted(by: { $0.key < $1.key }) where key.kind == .binding {
      guard let compiled = compilation[key], compiled.digest != nil else {
        result.failed[object.id] = faults(of: object, compilation)
        continue
      }
      for case .binding(let binding) in compiled.resources {
        let form = World.CompiledForm(digest: binding.digest, isActive: binding.isActive)
        if world.compiled[binding.bindingID] == form {
          result.same.append(object.id)
        } else {
          bindings.append(.binding(binding))
          sections.merge(whole.sections(of: binding)) { $1 }
        }
      }
    }
    result.resources =
      sections.sorted { "\($0.key)" < "\($1.key)" }.map(\.value) + bindings
    return result
  }

  /// All that keeps a binding from being compiled: in itself, in its tiers, and between them.
  private func faults(of object: StoredObject, _ compilation: TenantCompilation) -> [Diagnostic] {
    var found = compilation[object.key].map { $0.diagnostics + $0.clashes } ?? []
    for tier in SpecReferences.tiers(of: object.spec, in: object.key.tenant) {
      found += compilation[tier]?.diagnostics ?? []
    }
    return found.filter { $0.level == .error }
  }
}

extension TenantCompiler {
  var priceTable: String { tables.priceVersion ?? tables.version }
}
