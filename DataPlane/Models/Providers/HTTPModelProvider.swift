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
    let variable = "BINDERY_\(name.uppercased())_API_KEY"
    if dialect.needsKey, credentials == nil {
      throw refusal(
        request,
        "there is no key: write the tenant's secret \(name)_api_key, or \(variable)"
      )
    }
    // A field's value (RFC 9110, section 5.5), of which no vendor's key needs more than this.
    if let key = credentials?.apiKey, !key.utf8.allSatisfy({ (0x21 ... 0x7E).contains($0) }) {
      throw refusal(
        request,
        "the key holds a space or a control character: look at the secret \(name)_api_key"
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

  /// Before anything is sent.
  private func refusal(_ request: ModelRequest, _ message: String) -> ModelFailure {
    ModelFailure(
      kind: .rejected,
      message: message,
      afterOutput: false,
      usage: ModelUsage(source: .estimated),
      model: request.model
    )
  }
}
