/// How long a model may take.
package struct ModelTimeouts: Hashable, Sendable {
  /// From sending to the first token; pings do not count.
  package var firstToken: Duration
  /// Between two tokens.
  package var stall: Duration
  /// For the whole call.
  package var total: Duration

  package init(
    firstToken: Duration = .seconds(20),
    stall: Duration = .seconds(15),
    total: Duration = .seconds(120)
  ) {
    self.firstToken = firstToken
    self.stall = stall
    self.total = total
  }
}
