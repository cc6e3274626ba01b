/// Where and how the Messages API is spoken to.
package struct AnthropicConfiguration: Hashable, Sendable {
  /// Without a trailing slash; "https://api.anthropic.com" or a stand-in.
  package var baseURL: String
  /// Header `anthropic-version`.
  package var version: String
  package var timeouts: ModelTimeouts
  /// Most bytes of one response.
  package var maxResponseBytes: Int

  package init(
    baseURL: String = "https://api.anthropic.com",
    version: String = "2023-06-01",
    timeouts: ModelTimeouts = ModelTimeouts(),
    maxResponseBytes: Int = 8 << 20
  ) {
    self.baseURL = baseURL.hasSuffix("/") ? String(baseURL.dropLast()) : baseURL
    self.version = version
    self.timeouts = timeouts
    self.maxResponseBytes = maxResponseBytes
  }
}
