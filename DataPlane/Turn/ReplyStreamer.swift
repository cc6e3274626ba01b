internal import Guardrails
internal import Synchronization

/// Passes the model's text through the output guards, and on to the user where that is allowed.
final class ReplyStreamer: Sendable {
  private struct State {
    var guards: any OutputGuarding
    var released = ""
    /// Whether any text was pushed, and whether the running call has pushed some.
    var hasText = false
    var callHasText = false
    var beforeCall: (guards: any OutputGuarding, hasText: Bool, released: Int)?
  }

  private let state: Mutex<State>
  private let stream: (any ReplyStream)?

  init(guards: any OutputGuarding, stream: (any ReplyStream)?) {
    state = Mutex(State(guards: guards))
    self.stream = stream
  }

  /// What has left.
  var released: String { state.withLock { $0.released } }

  /// A model call begins: a place to go back to.
  func beginCall() {
    state.withLock {
      $0.callHasText = false
      $0.beforeCall = ($0.guards, $0.hasText, $0.released.utf8.count)
    }
  }

  /// Forgets what the failed call wrote, if nobody has seen it.
  func forgetCall() {
    state.withLock {
      guard let before = $0.beforeCall, before.released == $0.released.utf8.count else { return }
      $0.guards = before.guards
      $0.hasText = before.hasText
    }
  }

  func push(_ piece: String) async {
    guard !piece.isEmpty else { return }
    let free = state.withLock { state -> String in
      // What it said before a tool and after it are two paragraphs of one reply.
      var free = ""
      if state.hasText, !state.callHasText { free = state.guards.push("\n\n") }
      state.hasText = true
      state.callHasText = true
      free += state.guards.push(piece)
      guard stream != nil else { return "" }
      state.released += free
      return free
    }
    if !free.isEmpty { await stream?.text(free) }
  }

  func finish() -> GuardrailOutcome { state.withLock { $0.guards.finish() } }
}
