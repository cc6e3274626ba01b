/// Keeps a model that fails again and again from being asked for a while. No clock: time is passed in.
///
/// `closed -> open` after `threshold` transient failures in a row; `open -> probing` when the pause
/// is over, for one call; that call's success closes, its failure opens again. A call that ends as
/// neither (the request was wrong, the caller went away) gives the probe back.
package struct ModelBreaker: Hashable, Sendable {
  package struct Options: Hashable, Sendable {
    /// Failures in a row that open it.
    package var threshold: Int
    /// How long it stays open, in ms.
    package var pauseMS: Int64

    package init(threshold: Int = 5, pauseMS: Int64 = 10_000) {
      self.threshold = threshold
      self.pauseMS = pauseMS
    }
  }

  /// How a call ended, for the breaker.
  package enum Ending: Hashable, Sendable {
    case success
    case transientFailure
    case neither
  }

  private enum State: Hashable {
    case closed(failures: Int)
    case open(untilMS: Int64)
    /// One call is on its way; another is let through should it never come back.
    case probing(untilMS: Int64)
  }

  private let options: Options
  private var state = State.closed(failures: 0)

  package init(_ options: Options = Options()) { self.options = options }

  /// Whether a call may start now; it must be followed by `note`.
  package mutating func admit(atMS now: Int64) -> Bool {
    switch state {
    case .closed:
      return true
    case .open(let until), .probing(let until):
      guard until <= now else { return false }
      state = .probing(untilMS: now + options.pauseMS)
      return true
    }
  }

  package mutating func note(_ ending: Ending, atMS now: Int64) {
    switch (ending, state) {
    case (.success, _):
      state = .closed(failures: 0)
    case (.transientFailure, .closed(let failures)) where failures + 1 < options.threshold:
      state = .closed(failures: failures + 1)
    case (.transientFailure, _):
      state = .open(untilMS: now + options.pauseMS)
    case (.neither, .probing):
      state = .open(untilMS: now)
    case (.neither, _):
      break
    }
  }
}
