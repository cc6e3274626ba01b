import Compiler
import Domain
import Testing

@Suite struct OfflineCheckTests {
  @Test("With the Tenant at hand all of it is compiled, as the control plane does")
  func whole() {
    let broken = Documents.complete("shop", [.binding: ["human": "ash"]])
    let check = OfflineCheck(documents: broken, isPartial: false, toolAllow: nil)
    var fixture = PlanFixture()
    #expect(check.diagnostics == fixture.plan(broken).diagnostics)
    #expect(check.diagnostics.map(\.code) == ["BND_FOREIGN_TIER"])
    #expect(check.unchecked == [])
  }

  @Test("Without it, or as a part, each document is checked by itself")
  func partial() {
    let documents = Documents.complete("shop", [.binding: ["human": "ash"], .agent: ["tools": 1]])
    let whole = OfflineCheck(documents: documents, isPartial: false, toolAllow: nil)
    let part = OfflineCheck(documents: documents, isPartial: true, toolAllow: nil)
    let rest = OfflineCheck(
      documents: documents.filter { $0.key.kind != .tenant },
      isPartial: false,
      toolAllow: nil
    )
    #expect(whole.diagnostics.map(\.code).contains("BND_FOREIGN_TIER"))
    #expect(part.diagnostics.map(\.code) == ["CFG_TYPE"])
    #expect(rest.diagnostics == part.diagnostics)
    #expect(part.unchecked == ["shop"] && rest.unchecked == ["shop"])
  }

  @Test("Where tools go is checked when it is said where they may")
  func tools() {
    let tool: JSONValue = [
      "name": "look", "description": "Looks.", "schema": ["type": "object"],
      "endpoint": "http://127.0.0.1:9/look",
    ]
    let documents = Documents.complete("shop", [.agent: ["tools": [tool]]])
    func codes(_ allowed: Set<String>?) -> [String] {
      OfflineCheck(documents: documents, isPartial: false, toolAllow: allowed).diagnostics
        .map(\.code)
    }
    #expect(codes(nil) == [])
    #expect(codes(["127.0.0.1:9"]) == [])
    #expect(!codes(["elsewhere.example:1"]).isEmpty)
  }

  @Test("The sample is valid without a control plane, its bindings and routes too")
  func sample() {
    let files = ConfigFiles.load(PlanFixture.folder("sample"))
    let check = OfflineCheck(documents: files.documents, isPartial: false, toolAllow: nil)
    #expect(check.diagnostics == [] && check.unchecked == [])
  }
}
