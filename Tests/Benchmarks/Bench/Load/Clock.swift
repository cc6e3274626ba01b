internal import Foundation

/// Nanoseconds of CLOCK_MONOTONIC, which all processes of a machine share.
func monotonicNanoseconds() -> UInt64 {
  var time = timespec()
  clock_gettime(CLOCK_MONOTONIC, &time)
  return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}

/// A sample of times in milliseconds.
struct Times {
  private var values: [Double] = []

  mutating func add(from start: UInt64, to end: UInt64) {
    values.append(Double(Int64(bitPattern: end &- start)) / 1e6)
  }

  mutating func add(milliseconds: Double) { values.append(milliseconds) }

  var count: Int { values.count }

  /// The value below which a part of the sample lies (nearest rank); 0 when there is none.
  func quantile(_ part: Double) -> Double {
    guard !values.isEmpty else { return 0 }
    let rank = Int((part * Double(values.count)).rounded(.up))
    return values.sorted()[min(max(rank, 1), values.count) - 1]
  }
}

func decimals(_ value: Double, _ places: Int = 1) -> String {
  String(format: "%.\(places)f", value)
}
