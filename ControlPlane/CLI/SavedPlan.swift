internal import ArgumentParser
internal import Codecs
internal import Compiler
internal import Domain
internal import Foundation
internal import Wire

/// A plan in a file: the versions that it was made against, and the documents that it was made of.
struct SavedPlan: Codable {
  struct Version: Codable {
    var kind: String
    var tenant: String
    var slug: String
    var version: Int32
  }

  private static let format = 1

  var bindery_plan = SavedPlan.format
  var source: String
  var prune: Bool
  /// Absent in plans of older programs, which did not pin it: then it was not asked for.
  var take_over: Bool?
  /// SHA-256 of the documents, whatever files they stand in.
  var documents: Digest
  var expected: [Version]

  init(
    _ plan: Bindery_V1_ApplyResponse,
    of files: ConfigFiles,
    _ authoring: AuthoringOptions
  ) throws {
    source = authoring.label
    prune = authoring.prune
    take_over = authoring.takeOver
    documents = try Self.digest(of: files)
    expected = plan.expected.map {
      Version(kind: $0.kind, tenant: $0.tenant, slug: $0.slug, version: $0.version)
    }
  }

  func write(to path: String) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    do {
      var data = try encoder.encode(self)
      data.append(contentsOf: "\n".utf8)
      try data.write(to: URL(filePath: path), options: .atomic)
    } catch {
      Terminal.error("the plan can't be written to \(path): \(error.localizedDescription)")
      throw ExitStatus.cantCreate
    }
  }

  /// The versions of a plan that was made of these files, for the same source.
  static func read(
    _ path: String,
    for files: ConfigFiles,
    _ authoring: AuthoringOptions
  ) throws -> [Bindery_V1_ObjectVersion] {
    let plan: SavedPlan
    do {
      plan = try JSONDecoder().decode(
        SavedPlan.self,
        from: try Data(contentsOf: URL(filePath: path))
      )
    } catch {
      Terminal.error("\(path) is no plan of bindery plan --out: \(error.localizedDescription)")
      throw ExitStatus.invalidConfiguration
    }
    let differs: String? =
      if plan.bindery_plan != format {
        "by another version of bindery"
      } else if plan.source != authoring.label || plan.prune != authoring.prune
        || (plan.take_over ?? false) != authoring.takeOver
      {
        "with another --source, --prune or --take-over"
      } else if plan.documents != (try digest(of: files)) {
        "of other documents"
      } else {
        nil
      }
    if let differs {
      Terminal.error("\(path) was made \(differs); plan again.")
      throw ExitStatus.stale
    }
    return plan.expected.map { version in
      var wire = Bindery_V1_ObjectVersion()
      wire.kind = version.kind
      wire.tenant = version.tenant
      wire.slug = version.slug
      wire.version = version.version
      return wire
    }
  }

  private static func digest(of files: ConfigFiles) throws -> Digest {
    let documents = files.documents.sorted { $0.key < $1.key }.map { document -> JSONValue in
      .array([.string(document.key.description), document.spec])
    }
    return CanonicalJSON.digest(of: try CanonicalJSON.encode(.array(documents)))
  }
}

extension Bindery_V1_ApplyResponse {
  /// The versions that the plan was made against, as the next call is to carry them.
  var expected: [Bindery_V1_ObjectVersion] {
    changes.map { change in
      var version = Bindery_V1_ObjectVersion()
      version.kind = change.kind
      version.tenant = change.tenant
      version.slug = change.slug
      version.version = change.fromVersion
      return version
    }
  }

  var hasDeletions: Bool { changes.contains { $0.action == "delete" } }

  /// Whether applying would store anything.
  var isEmpty: Bool { !changes.contains { $0.action != "unchanged" } }
}
