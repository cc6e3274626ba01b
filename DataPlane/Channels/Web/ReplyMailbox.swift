internal import Domain
internal import Foundation
internal import Synchronization
internal import Turn

/// Hands a streamed reply from its turn to the connection. A slow reader does not hold the turn up:
/// pieces that wait become one. Bounded by the length of a reply.
final class ReplyMailbox: ReplyStream {
  enum Item: Sendable {
    case typing
    case text(String)
    case end(WebEnding)
    /// Nothing new: a sign of life for the proxies between.
    case alive
  }

  private struct State {
    var isTyping = false
    var text = ""
    var end: WebEnding?
    var isAlive = false
  }

  private let state = Mutex(State())
  private let ring: AsyncStream<Void>.Continuation
  /// Rings when `take` may have something; ends after the end.
  let rings: AsyncStream<Void>

  init() {
    (rings, ring) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
  }

  func typing() async {
    state.withLock { $0.isTyping = true }
    ring.yield()
  }

  func text(_ piece: String) async {
    state.withLock { $0.text += piece }
    ring.yield()
  }

  func keepAlive() {
    state.withLock { $0.isAlive = true }
    ring.yield()
  }

  func finish(_ end: WebEnding) {
    state.withLock { $0.end = end }
    ring.yield()
    ring.finish()
  }

  /// What waits, in order.
  func take() -> [Item] {
    state.withLock { state in
      var items: [Item] = []
      if state.isTyping { items.append(.typing) }
      if !state.text.isEmpty { items.append(.text(state.text)) }
      if let end = state.end { items.append(.end(end)) }
      if items.isEmpty, state.isAlive { items.append(.alive) }
      state = State()
      return items
    }
  }
}

/// A stream of a reply that nobody reads: it is found in the history.
package struct UnreadReply: ReplyStream {
  package init() {}
  package func typing() async {}
  package func text(_ piece: String) async {}
}
