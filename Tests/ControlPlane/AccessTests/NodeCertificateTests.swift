import Access
import Domain
import Foundation
import Testing

private let tenant = "6f1c3a52-0d7e-4c43-8f0e-0a5be0b0c001"
private let other = "6f1c3a52-0d7e-4c43-8f0e-0a5be0b0c002"

@Suite struct `A node's certificate` {
  private func grant(
    _ uris: [String],
    commonName: String? = nil,
    acceptsCommonName: Bool = false
  ) -> NodeGrant? {
    NodeCertificate(acceptsCommonName: acceptsCommonName)
      .grant(uris: uris, commonName: commonName)
  }

  @Test func `names the node by a URI, with its region and tenants`() throws {
    let bound = NodeGrant(
      nodeID: "edge-1",
      region: "in-south",
      tenants: [try #require(TenantID(tenant)), try #require(TenantID(other))]
    )
    #expect(grant(["bindery:node:edge-1"]) == NodeGrant(nodeID: "edge-1"))
    #expect(
      grant(["bindery:node:edge-1?region=in-south&tenant=\(tenant)&tenant=\(other)"]) == bound
    )
    #expect(grant(["spiffe://example.org/node/edge-1"]) == NodeGrant(nodeID: "edge-1"))
    #expect(
      grant([
        "spiffe://example.org/prod/region/in-south/tenant/\(tenant)/tenant/\(other)/node/edge-1"
      ])
        == bound
    )
    // Names of something else stand beside it.
    #expect(
      grant(["https://example.org", "bindery:node:edge-1", "spiffe://example.org/host/7"])
        == NodeGrant(nodeID: "edge-1")
    )
  }

  @Test(arguments: [
    [], ["bindery:node:"], ["bindery:node:a b"], ["bindery:node:edge-1?zone=x"],
    ["bindery:node:edge-1?region=a&region=b"], ["bindery:node:edge-1?tenant=medicly"],
    ["bindery:node:edge-1?tenant="], ["bindery:node:edge-1?"], ["bindery:node:edge-1?region"],
    ["bindery:node:edge-1", "bindery:node:edge-2"],
    ["bindery:node:edge-1", "spiffe://example.org/node/edge-1"],
    ["spiffe://example.org/node/"], ["spiffe://example.org/nodes/edge-1"],
    ["spiffe://example.org/tenant/medicly/node/edge-1"],
    // A bond out of place must not be passed over.
    ["spiffe://example.org/tenant/6f1c3a52-0d7e-4c43-8f0e-0a5be0b0c001/prod/node/edge-1"],
    ["spiffe://example.org/node/x/node/edge-1"], ["https://example.org/node/edge-1"],
  ])
  func `that names none, several, or a bond that can't be read, is no node's`(_ uris: [String]) {
    #expect(grant(uris) == nil)
  }

  @Test func `counts by its common name only where that is asked for, and without a URI`() {
    #expect(grant([], commonName: "edge-1") == nil)
    #expect(
      grant([], commonName: "edge-1", acceptsCommonName: true) == NodeGrant(nodeID: "edge-1")
    )
    #expect(grant([], commonName: "Edge One", acceptsCommonName: true) == nil)
    #expect(
      grant(["bindery:node:edge-2"], commonName: "edge-1", acceptsCommonName: true)?.nodeID
        == "edge-2"
    )
    #expect(
      grant(["bindery:node:edge-2?zone=x"], commonName: "edge-1", acceptsCommonName: true) == nil
    )
  }
}
