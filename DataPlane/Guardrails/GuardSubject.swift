/// What a check is about beside the text.
package struct GuardSubject: Hashable, Sendable {
  /// The tool whose arguments are checked; empty elsewhere.
  package var tool: String
  /// When the user's newest messages came, those of this turn among them, in ms since 1970, in any
  /// order: to any binding of the tenant on this channel, and in this conversation.
  package var userArrivals: [Int64]
  package var conversationArrivals: [Int64]

  package init(
    tool: String = "",
    userArrivals: [Int64] = [],
    conversationArrivals: [Int64] = []
  ) {
    self.tool = tool
    self.userArrivals = userArrivals
    self.conversationArrivals = conversationArrivals
  }
}
