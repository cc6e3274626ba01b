/// Spreads the snapshots of many nodes that come at once, as after a restart: the first few at once,
/// then faster and faster. Nobody is refused. A value without a clock.
package struct AdmissionRamp: Sendable {
  package struct Options: Sendable {
    /// So many are admitted at once.
    package var burst = 500.0
    /// Admissions a second at first; doubles every second while somebody waits, up to the last.
    package var firstRate = 1_000.0
    package var lastRate = 10_000.0

    package init() {}
  }

  private let options: Options
  private var rate: Double
  /// What may still be admitted at once; negative while some wait.
  private var credit: Double
  private var at: ContinuousClock.Instant?

  package init(options: Options = Options()) {
    self.options = options
    rate = options.firstRate
    credit = options.burst
  }

  /// Takes a place; tells how long to wait until it is this one's turn.
  package mutating func reserve(at now: ContinuousClock.Instant) -> Duration {
    if let at {
      let seconds = max(0, at.duration(to: now) / .seconds(1))
      rate = credit < 0 ? min(rate * pow2(seconds), options.lastRate) : options.firstRate
      credit = min(credit + seconds * rate, options.burst)
    }
    at = max(at ?? now, now)
    credit -= 1
    return credit >= 0 ? .zero : .seconds(-credit / rate)
  }

  /// Two to a power, near enough for a ramp: (1 + x ln 2 / 16)^16.
  private func pow2(_ exponent: Double) -> Double {
    var result = 1 + min(exponent, 16) * 0.6931 / 16
    for _ in 0 ..< 4 { result *= result }
    return result
  }
}
