internal import Domain
internal import Foundation
internal import Postgres

/// A changelog row: how resources and their keys stand in columns.
struct ResourceRow: Encodable {
  let ordinal: Int
  let tenant: UUID
  let op: String
  let kind: String
  let key: [String]
  /// JSON text of the resource; nil for a removal.
  let resource: String?

  /// Nil for sections, which the changelog leaves out, as bindings name them, and for bindings, which
  /// `ResourceStatements` writes to it.
  init?(put resource: ConfigResource, ordinal: Int) throws {
    if case .binding = resource { return nil }
    guard let key = Self.columns(of: resource.key) else { return nil }
    self.ordinal = ordinal
    op = "put"
    (tenant, kind, self.key) = key
    let json: PostgresJSON? =
      switch resource {
      case .tenant(let it): try JSONText.encode(it)
      case .channelAccount(let it): try JSONText.encode(it)
      case .route(let it): try JSONText.encode(it)
      case .candidate(let it): try JSONText.encode(it)
      case .section, .binding: nil
      }
    self.resource = json?.text
  }

  /// A binding that gets its form otherwise than by `ResourceStatements`: at the end of a rollout.
  init(promoted binding: BindingResource, ordinal: Int) throws {
    self.ordinal = ordinal
    op = "put"
    tenant = binding.tenantID.uuid
    kind = "binding"
    key = [binding.bindingID.description]
    resource = try JSONText.encode(binding).text
  }

  init?(remove key: ResourceKey, ordinal: Int) {
    guard let key = Self.columns(of: key) else { return nil }
    self.ordinal = ordinal
    op = "remove"
    (tenant, kind, self.key) = key
    resource = nil
  }

  private static func columns(of key: ResourceKey) -> (UUID, String, [String])? {
    switch key {
    case .tenant(let id): (id.uuid, "tenant", [])
    case .channelAccount(let id, let channel, let slug):
      (id.uuid, "channel_account", [channel, slug])
    case .binding(let id, let binding): (id.uuid, "binding", [binding.description])
    case .route(let id, let channel, let key): (id.uuid, "route", [channel, key])
    case .candidate(let id, let binding): (id.uuid, "candidate", [binding.description])
    case .section: nil
    }
  }
}

/// A changelog row as read back.
enum ChangelogEntry {
  case put(ConfigResource)
  case removed(ResourceKey)

  /// - Parameter revision: of the row's commit; a switch made by this commit carries no revision of
  ///   its own in the row, because the revision is taken after the rows are written.
  init(_ row: PostgresRow, revision: Revision) throws {
    let kind = try row.decode("kind", as: String.self)
    let what = "changelog of revision \(revision)"
    guard let json = try row.decode("resource", as: PostgresJSON?.self) else {
      self = .removed(try Self.key(row, kind: kind, what: what))
      return
    }
    switch kind {
    case "tenant":
      var tenant = try JSONText.decode(json, as: TenantResource.self, what: what)
      if tenant.switchRevision == .zero { tenant.switchRevision = revision }
      self = .put(.tenant(tenant))
    case "channel_account":
      self = .put(.channelAccount(try JSONText.decode(json, what: what)))
    case "binding": self = .put(.binding(try Self.binding(json, what: what)))
    case "route": self = .put(.route(try JSONText.decode(json, what: what)))
    case "candidate": self = .put(.candidate(try JSONText.decode(json, what: what)))
    default: throw StoreError.corrupt(what: what)
    }
  }

  /// These are the many: going through `Decodable` would cost several times as much.
  private static func binding(_ json: PostgresJSON, what: String) throws -> BindingResource {
    let value = try JSONText.value(json, what: what)
    guard let tenantID = value["tenantID"]?.stringValue.flatMap({ TenantID($0) }),
      let bindingID = value["bindingID"]?.stringValue.flatMap({ BindingID($0) }),
      let digest = value["digest"]?.stringValue.flatMap(Digest.init(hex:)),
      let content = value["content"]?.stringValue,
      let names = value["sectionDigests"]?.arrayValue,
      let isActive = value["isActive"]?.boolValue
    else { throw StoreError.corrupt(what: what) }
    let sections = names.compactMap { $0.stringValue.flatMap(Digest.init(hex:)) }
    guard sections.count == names.count else { throw StoreError.corrupt(what: what) }
    return BindingResource(
      tenantID: tenantID,
      bindingID: bindingID,
      digest: digest,
      content: content,
      sectionDigests: sections,
      isActive: isActive
    )
  }

  private static func key(_ row: PostgresRow, kind: String, what: String) throws -> ResourceKey {
    let tenant = TenantID(try row.decode("tenant_id", as: UUID.self))
    let key = try row.decode("key", as: [String].self)
    switch (kind, key.count) {
    case ("tenant", 0): return .tenant(tenant)
    case ("channel_account", 2): return .channelAccount(tenant, channel: key[0], slug: key[1])
    case ("route", 2): return .route(tenant, channel: key[0], key: key[1])
    case ("binding", 1):
      guard let binding = BindingID(key[0]) else { break }
      return .binding(tenant, binding)
    case ("candidate", 1):
      guard let binding = BindingID(key[0]) else { break }
      return .candidate(tenant, binding)
    default: break
    }
    throw StoreError.corrupt(what: what)
  }
}
