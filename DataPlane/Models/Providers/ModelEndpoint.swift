/// Where a vendor's API is, and how patient its callers are.
package struct ModelEndpoint: Hashable, Sendable {
  /// Without a trailing slash; "https://api.anthropic.com" or a stand-in.
  package var baseURL: String
  package var timeouts: ModelTimeouts
  /// Most bytes of one response.
  package var maxResponseBytes: Int

  package init(
    _ baseURL: String,
    timeouts: ModelTimeouts = ModelTimeouts(),
    maxResponseBytes: Int = 8 << 20
  ) {
    self.baseURL = baseURL.hasSuffix("/") ? String(baseURL.dropLast()) : baseURL
    self.timeouts = timeouts
    self.maxResponseBytes = maxResponseBytes
  }
}
