internal import Crypto
internal import Foundation

/// Which people of a tenant have a rollout's candidate: a function of their identity alone, so that all
/// nodes agree without asking, and that a larger part contains every smaller one.
package enum Cohort {
  /// Buckets, and hundredths of a percent.
  package static let size = 10_000

  /// 0 through 9999. The first 8 bytes, big-endian, of the SHA-256 of the rollout's id, the tenant's id,
  /// the channel, a zero byte and the identity on that channel in UTF-8, modulo 10000.
  package static func bucket(
    of externalID: String,
    on channel: String,
    tenant: TenantID,
    in rollout: RolloutID
  ) -> Int {
    var content = Data(rollout.bytes + tenant.bytes)
    content.append(contentsOf: channel.utf8)
    content.append(0)
    content.append(contentsOf: externalID.utf8)
    let number = SHA256.hash(data: content).prefix(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    return Int(number % UInt64(size))
  }
}

extension CandidateResource {
  /// Whether a person has the candidate.
  package func includes(externalID: String, on channel: String) -> Bool {
    basisPoints >= Cohort.size
      || Cohort.bucket(of: externalID, on: channel, tenant: tenantID, in: rolloutID) < basisPoints
  }
}
