package import AsyncHTTPClient

/// A vendor's API over HTTP, in its dialect.
package struct HTTPModelProvider<Dialect: ModelDialect>: ModelProvider {
  package var name: String { dialect.name }
  private let dialect: Dialect
  private let client: HTTPClient

  /// - Parameter client: from `ModelHTTPClient.make`, which follows no redirects: one would carry
  ///   the key to another host. Shut down by its owner.
  package init(_ dialect: Dialect, client: HTTPClient) {
    self.dialect = dialect
    self.client = client
  }

  package func run(
    _ request: ModelRequest,
    credentials: ModelCredentials?,
    onText: (String) async throws -> Void
  ) async throws(ModelFailure) -> ModelAnswer {
    if dialect.needsKey, credentials == nil {
      let variable = "BINDERY_\(name.uppercased())_API_KEY"
      throw ModelFailure(
        kind: .rejected,
        message: "there is no key: write the tenant's secret \(name)_api_key, or \(variable)",
        afterOutput: false,
        usage: ModelUsage(source: .estimated),
        model: request.model
      )
    }
    var call = StreamedCall(dialect, request)
    do {
      return try await HTTPExchange.run(
        dialect.httpRequest(request, key: credentials?.apiKey),
        client: client,
        timeouts: dialect.timeouts(for: request),
        maxBytes: dialect.endpoint.maxResponseBytes
      ) { part, deadline in
        try await call.receive(part, deadline, onText)
      } finish: { end in
        try call.finish(end)
      }
    } catch let failure as ModelFailure {
      throw failure
    } catch {
      // What `onText` threw: the caller wants no more.
      throw call.failure(.cancelled, "the caller ended the call")
    }
  }
}
