package import Domain
package import Foundation
package import Wire

extension ResourceKey {
  /// The key as `bindery.v1.ResourceKey`; its text form is stated at that proto's `ResourceKind`.
  package var wire: Bindery_V1_ResourceKey {
    var wire = Bindery_V1_ResourceKey()
    wire.tenantID = tenantID?.data ?? Data()
    switch self {
    case .tenant(let tenant):
      wire.kind = .tenant
      wire.key = tenant.description
    case .channelAccount(let tenant, let channel, let slug):
      wire.kind = .channelAccount
      wire.key = "\(tenant)/\(channel)/\(slug)"
    case .section(let tenant, let digest):
      wire.kind = .section
      wire.key = "\(tenant?.description ?? Self.platformOwner)/\(digest.hex)"
    case .binding(_, let binding):
      wire.kind = .binding
      wire.key = binding.description
    case .route(_, let channel, let key):
      wire.kind = .route
      wire.key = "\(channel)/\(key)"
    case .candidate(_, let binding):
      wire.kind = .candidate
      wire.key = binding.description
    }
    return wire
  }

  /// Reads a key.
  ///
  /// - Throws: `MappingError` for a kind that this version doesn't know, or text in another form.
  package init(wire: Bindery_V1_ResourceKey) throws(MappingError) {
    func owner() throws(MappingError) -> TenantID { try .read(wire.tenantID, "key's tenant_id") }
    let parts = wire.key.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
    switch wire.kind {
    case .tenant:
      self = .tenant(try owner())
    case .binding:
      guard let binding = BindingID(wire.key) else { throw MappingError(.malformed, "binding key") }
      self = .binding(try owner(), binding)
    case .candidate:
      guard let binding = BindingID(wire.key) else {
        throw MappingError(.malformed, "candidate key")
      }
      self = .candidate(try owner(), binding)
    case .route:
      guard parts.count == 2 else { throw MappingError(.malformed, "route key") }
      self = .route(try owner(), channel: parts[0], key: parts[1])
    case .channelAccount:
      guard parts.count == 3 else { throw MappingError(.malformed, "channel account key") }
      self = .channelAccount(try owner(), channel: parts[1], slug: parts[2])
    case .section:
      guard parts.count == 2, let digest = Digest(hex: parts[1]) else {
        throw MappingError(.malformed, "section key")
      }
      self = .section(wire.tenantID.isEmpty ? nil : try owner(), digest)
    case .unspecified, .UNRECOGNIZED:
      throw MappingError(.unsupported, "resource kind \(wire.kind.rawValue)")
    }
  }

  private static let platformOwner = "00000000-0000-0000-0000-000000000000"
}

extension ID {
  /// Reads 16 bytes.
  ///
  /// - Throws: `MappingError` that names `field` for any other count.
  package static func read(_ data: Data, _ field: String) throws(MappingError) -> Self {
    guard let id = Self(bytes: data) else { throw MappingError(.malformed, field) }
    return id
  }
}

extension Digest {
  /// Reads 32 bytes.
  ///
  /// - Throws: `MappingError` that names `field` for any other count.
  package static func read(_ data: Data, _ field: String) throws(MappingError) -> Self {
    guard let digest = Self(bytes: data) else { throw MappingError(.malformed, field) }
    return digest
  }
}
