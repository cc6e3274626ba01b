internal import Access
internal import Domain
internal import Foundation
package import GRPCCore
internal import Store
package import Wire

extension AdminAPI {
  package func createToken(
    request: Bindery_V1_CreateTokenRequest,
    context: ServerContext
  ) async throws -> Bindery_V1_CreateTokenResponse {
    try await translatingErrors {
      var wish = TokenService.Wish(role: try AccessToken.Role(wire: request.role))
      wish.name = request.name
      wish.tenant = request.tenant
      wish.nodeID = request.nodeID
      wish.region = request.region
      wish.nodeTenants = request.nodeTenants
      wish.author = request.author
      wish.reason = request.reason
      wish.isPlatforms = request.platform
      guard request.expiresInMs >= 0 else {
        throw RPCError(code: .invalidArgument, message: "expires_in_ms must not be negative")
      }
      if request.expiresInMs > 0 { wish.lifetime = .milliseconds(request.expiresInMs) }
      let (token, text) = try await tokens.create(wish)
      var response = Bindery_V1_CreateTokenResponse()
      response.token = Bindery_V1_Token(token, slug: tokens.slug(of:))
      response.secret = text.text
      return response
    }
  }

  package func listTokens(
    request: Bindery_V1_ListTokensRequest,
    context: ServerContext
  ) async throws -> Bindery_V1_ListTokensResponse {
    try await translatingErrors {
      let found = try await tokens.list(
        tenant: request.tenant.isEmpty ? nil : request.tenant,
        scope: context.principal?.tenant
      )
      var response = Bindery_V1_ListTokensResponse()
      response.tokens = found.map { Bindery_V1_Token($0, slug: tokens.slug(of:)) }
      return response
    }
  }

  package func revokeToken(
    request: Bindery_V1_RevokeTokenRequest,
    context: ServerContext
  ) async throws -> Bindery_V1_RevokeTokenResponse {
    try await translatingErrors {
      let (token, changed) = try await tokens.revoke(
        request.id,
        .init(author: request.author, reason: request.reason, caller: context.principal)
      )
      var response = Bindery_V1_RevokeTokenResponse()
      response.token = Bindery_V1_Token(token, slug: tokens.slug(of:))
      response.changed = changed
      return response
    }
  }

  package func rotateToken(
    request: Bindery_V1_RotateTokenRequest,
    context: ServerContext
  ) async throws -> Bindery_V1_RotateTokenResponse {
    try await translatingErrors {
      let (token, text) = try await tokens.rotate(
        request.id,
        .init(author: request.author, reason: request.reason, caller: context.principal)
      )
      var response = Bindery_V1_RotateTokenResponse()
      response.token = Bindery_V1_Token(token, slug: tokens.slug(of:))
      response.secret = text.text
      return response
    }
  }
}

extension AccessToken.Role {
  init(wire role: Bindery_V1_TokenRole) throws {
    switch role {
    case .admin: self = .admin
    case .operator: self = .operator
    case .author: self = .author
    case .viewer: self = .viewer
    case .node: self = .node
    case .unspecified, .UNRECOGNIZED:
      throw RPCError(
        code: .invalidArgument,
        message: "role must be viewer, author, operator, admin or node"
      )
    }
  }

  var wire: Bindery_V1_TokenRole {
    switch self {
    case .admin: .admin
    case .operator: .operator
    case .author: .author
    case .viewer: .viewer
    case .node: .node
    }
  }
}

extension Bindery_V1_Token {
  /// - Parameter slug: Of a tenant; one that is gone is shown by its id.
  init(_ token: AccessToken, slug: (TenantID) -> String?) {
    self.init()
    id = token.id
    role = token.role.wire
    name = token.name
    tenant = token.tenant.map { slug($0) ?? $0.description } ?? ""
    nodeID = token.nodeID ?? ""
    region = token.region ?? ""
    nodeTenants = (token.nodeTenants ?? []).map { slug($0) ?? $0.description }.sorted()
    createdAtMs = Self.milliseconds(token.createdAt)
    createdBy = token.createdBy
    expiresAtMs = Self.milliseconds(token.expiresAt)
    lastUsedAtMs = Self.milliseconds(token.lastUsedAt)
    revokedAtMs = Self.milliseconds(token.revokedAt)
  }

  private static func milliseconds(_ date: Date?) -> Int64 {
    date.map { Int64($0.timeIntervalSince1970 * 1000) } ?? 0
  }
}
