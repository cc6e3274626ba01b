package import Domain
internal import Foundation
package import Wire

extension CandidateResource {
  package var wire: Bindery_V1_Candidate {
    var wire = Bindery_V1_Candidate()
    wire.tenantID = tenantID.data
    wire.bindingID = bindingID.data
    wire.rolloutID = rolloutID.data
    wire.digest = digest.data
    wire.content = Data(content.utf8)
    wire.sectionDigests = sectionDigests.map(\.data)
    wire.basisPoints = UInt32(clamping: basisPoints)
    wire.regions = audience.regions.sorted()
    wire.labels = audience.labels
    return wire
  }

  package init(wire: Bindery_V1_Candidate) throws(MappingError) {
    var sections: [Digest] = []
    for digest in wire.sectionDigests { sections.append(try .read(digest, "section_digests")) }
    guard let content = String(validating: wire.content, as: UTF8.self) else {
      throw MappingError(.malformed, "candidate content")
    }
    guard wire.basisPoints <= Cohort.size else {
      throw MappingError(.malformed, "basis_points")
    }
    self.init(
      tenantID: try .read(wire.tenantID, "tenant_id"),
      bindingID: try .read(wire.bindingID, "binding_id"),
      rolloutID: try .read(wire.rolloutID, "rollout_id"),
      digest: try .read(wire.digest, "digest"),
      content: content,
      sectionDigests: sections,
      basisPoints: Int(wire.basisPoints),
      audience: Audience(regions: Set(wire.regions), labels: wire.labels)
    )
  }
}
