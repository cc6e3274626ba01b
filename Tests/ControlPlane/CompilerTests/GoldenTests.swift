import Codecs
import Compiler
import Domain
import Foundation
import Testing

/// What the sample compiles to, byte for byte, on every machine and in every run.
///
/// A change of these files means that every binding of every tenant is made and pushed anew: it comes
/// with a new `PlatformTables.compilerVersion`. To write them on purpose:
/// `BINDERY_WRITE_GOLDEN=1 swift test --filter GoldenTests`.
@Suite struct GoldenTests {
  private static let folder = PlanFixture.folder("golden")
  private static let rewrites = ProcessInfo.processInfo.environment["BINDERY_WRITE_GOLDEN"] == "1"

  /// Name of the file, and its content.
  private func compiled(_ documents: [AuthoredDocument]) throws -> [String: String] {
    var fixture = PlanFixture()
    let publication = try #require(fixture.plan(documents).publication)
    var files: [String: String] = [:]
    var digests: [String] = []
    var tenants: [TenantID: String] = [:]
    for case .tenant(let tenant) in publication.resources {
      tenants[tenant.tenantID] = tenant.slug
    }
    func add(_ name: String, _ content: String, _ digest: Digest) {
      files["\(name).json"] = content
      digests.append("\(digest.hex)  \(name).json")
    }
    for resource in publication.resources {
      switch resource {
      case .section(let section):
        let slug = try JSONText.parse(section.content)["slug"]?.stringValue
        let folder = section.tenantID.flatMap { tenants[$0] } ?? ""
        add(
          [folder, section.kind.rawValue, slug ?? ""].filter { !$0.isEmpty }.joined(separator: "."),
          section.content,
          section.digest
        )
      case .binding(let binding):
        let slug = try JSONText.parse(binding.content)["slug"]?.stringValue ?? ""
        add("\(tenants[binding.tenantID] ?? "").binding.\(slug)", binding.content, binding.digest)
      default: break
      }
    }
    files["SHA256SUMS"] = digests.sorted().joined(separator: "\n")
    return files
  }

  private var documents: [AuthoredDocument] {
    ConfigFiles.load(PlanFixture.folder("sample")).documents.map { document in
      var document = document
      // Where the repository lies on this machine says nothing.
      document.source = document.source.replacing(PlanFixture.folder(""), with: "")
      return document
    }
  }

  @Test("The sample compiles to the committed bytes")
  func sample() throws {
    let files = try compiled(documents)
    #expect(files.count > 20)
    if Self.rewrites {
      if FileManager.default.fileExists(atPath: Self.folder) {
        try FileManager.default.removeItem(atPath: Self.folder)
      }
      try FileManager.default.createDirectory(
        atPath: Self.folder,
        withIntermediateDirectories: true
      )
      for (name, content) in files {
        try Data("\(content)\n".utf8).write(to: URL(filePath: "\(Self.folder)/\(name)"))
      }
    }
    let committed = try FileManager.default.contentsOfDirectory(atPath: Self.folder)
    #expect(Set(committed) == Set(files.keys))
    for (name, content) in files.sorted(by: { $0.key < $1.key }) {
      let bytes = try String(contentsOfFile: "\(Self.folder)/\(name)", encoding: .utf8)
      #expect(bytes == "\(content)\n", "\(name) differs; see the note at the head of this suite")
    }
  }

  @Test("The committed digests are those that sha256sum gives")
  func digests() throws {
    let sums = try String(contentsOfFile: "\(Self.folder)/SHA256SUMS", encoding: .utf8)
    for line in sums.split(separator: "\n") {
      let parts = line.split(separator: " ")
      let text = try String(contentsOfFile: "\(Self.folder)/\(parts[1])", encoding: .utf8)
      #expect(CanonicalJSON.digest(of: String(text.dropLast())).hex == parts[0])
    }
  }

  @Test("In whatever order members were put into their objects, the bytes are the same")
  func insertionOrder() throws {
    func reinserted(_ value: JSONValue) -> JSONValue {
      switch value {
      case .object(let members):
        // Another capacity and another order of insertion: another order of iteration.
        var other: [String: JSONValue] = [:]
        other.reserveCapacity(members.count * 8 + 64)
        for key in members.keys.sorted(by: >) { other[key] = members[key].map(reinserted) }
        return .object(other)
      case .array(let elements): return .array(elements.map(reinserted))
      default: return value
      }
    }
    let others = documents.reversed().map { document in
      var document = document
      document.spec = reinserted(document.spec)
      return document
    }
    #expect(try compiled(others) == compiled(documents))
  }
}
