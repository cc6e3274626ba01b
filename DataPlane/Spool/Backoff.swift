/// Waits between tries: doubling from 1 s to 30 s, each shortened by a random part of up to half.
struct Backoff: Sendable {
  private var next: Duration = .seconds(1)

  mutating func reset() { next = .seconds(1) }

  mutating func take() -> Duration {
    defer { next = min(next * 2, .seconds(30)) }
    return next * Double.random(in: 0.5 ... 1)
  }
}
