import Domain
import Foundation
import Scenario
import Testing

extension `Configuration from repositories` {
  /// Humans whose specs are more than one message holds.
  private func large(_ tenant: String, count: Int, fault: String = "") throws -> URL {
    let folder = stack.folder.appending(path: "\(tenant)-large")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    for index in 0 ..< count {
      let greeting = String(repeating: "Namaste \(index). ", count: 8_000)
      let text = """
        kind: Human
        tenant: \(tenant)
        slug: large-\(index)
        spec: {display_name: L\(index), languages: [en], notes: ["\(greeting)"]}

        """
      try Data(text.utf8).write(to: folder.appending(path: "\(index).yaml"))
    }
    let last = "kind: Tenant\nslug: \(tenant)\nspec: {display_name: Large\(fault)}\n"
    try Data(last.utf8).write(to: folder.appending(path: "tenant.yaml"))
    return folder
  }

  @Test func `what is more than a message holds is one revision, or nothing`() async throws {
    let tool = try stack.tool()
    let count = 60
    let broken = try large("large", count: count, fault: ", stale_policy: nonsense")
    let revisions = "select from commits"
    let before = try await stack.database().count(revisions)
    let refused = try await tool.run(["apply", "-y", "-f", broken.path])
    #expect(refused.status == 65, "\(refused.standardError)")
    #expect(try await stack.database().count(revisions) == before)

    let files = try large("large", count: count)
    let applied = try await tool.json(["apply", "-y", "-f", files.path])
    #expect(applied["applied"] == true)
    #expect(try await stack.database().count(revisions) == before + 1)
    let size = """
      select sum(length(config::text)) from tier_config_versions where slug like 'large-%'
      """
    let stored = try #require(Int(try await stack.database().scalar(size)))
    #expect(stored > 4 << 20, "the test sends less than one message takes")
    let again = try await tool.json(["apply", "-y", "-f", files.path])
    #expect(again["applied"] == false)
  }
}
