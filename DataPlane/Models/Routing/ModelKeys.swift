package import Secrets

/// Where vendors' keys come from: the tenant's own secret, else the node's.
package struct ModelKeys: Sendable {
  private let secrets: any SecretResolver
  private let node: [String: Secret]

  /// - Parameter node: by provider name; used for tenants that have no key of their own.
  package init(secrets: any SecretResolver, node: [String: Secret] = [:]) {
    self.secrets = secrets
    self.node = node
  }

  /// The tenant's secret `<provider>_api_key`, else the node's key; nil when neither exists.
  ///
  /// - Throws: `SecretError` when the tenant's secret exists but can't be read: another key would
  ///   bill someone else.
  package func key(
    for provider: String,
    tenantSlug: String
  ) async throws(SecretError) -> ModelCredentials? {
    let reference = try SecretReference("\(provider)_api_key", tenantSlug: tenantSlug)
    do {
      return ModelCredentials(apiKey: try await secrets.secret(reference).value)
    } catch  where error.code == .notFound {
      return node[provider].map { ModelCredentials(apiKey: $0.value) }
    }
  }

  /// Node keys of the environment: `BINDERY_<PROVIDER>_API_KEY`.
  package static func node(
    providers: [String],
    environment: [String: String]
  ) -> [String: Secret] {
    var keys: [String: Secret] = [:]
    for provider in providers {
      guard let value = environment["BINDERY_\(provider.uppercased())_API_KEY"], !value.isEmpty
      else { continue }
      keys[provider] = Secret(value)
    }
    return keys
  }
}
