internal import Foundation

/// How old what a node serves may be: it is as new as the last lease, or as the disk copy that it
/// started from.
struct ConfigAge: Sendable {
  /// When a control plane renewed the lease last; nil since the start.
  var heardAt: ContinuousClock.Instant?
  /// When the disk copy was written; nil without one, or when the disk doesn't tell.
  var copyFrom: Date?
  var damages: Int

  init(copyFrom: Date?, damages: Int) {
    self.copyFrom = copyFrom
    self.damages = damages
  }

  /// nil when nobody knows.
  func age(at now: ContinuousClock.Instant, _ date: Date) -> Duration? {
    if let heardAt { return heardAt.duration(to: now) }
    return copyFrom.map { .seconds(max(0, date.timeIntervalSince($0))) }
  }
}
