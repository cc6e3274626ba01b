import Changelog
import Testing

@Suite struct AdmissionRampTests {
  private func wait(_ count: Int, _ ramp: inout AdmissionRamp) -> [Duration] {
    let now = ContinuousClock.now
    return (0 ..< count).map { _ in ramp.reserve(at: now) }
  }

  @Test func `the first few do not wait, the others come one after the other`() {
    var options = AdmissionRamp.Options()
    options.burst = 3
    options.firstRate = 10
    var ramp = AdmissionRamp(options: options)
    let waits = wait(6, &ramp)
    #expect(waits.prefix(3).allSatisfy { $0 == .zero })
    #expect(waits.dropFirst(3).map { Int(($0 / .milliseconds(1)).rounded()) } == [100, 200, 300])
  }

  @Test func `while they keep coming the ramp gets steeper, and in quiet times it is as at first`()
  {
    var options = AdmissionRamp.Options()
    options.burst = 1
    options.firstRate = 10
    var ramp = AdmissionRamp(options: options)
    let start = ContinuousClock.now
    for _ in 0 ..< 100 { _ = ramp.reserve(at: start) }
    let before = ramp.reserve(at: start)
    let after = ramp.reserve(at: start + .seconds(2))
    // Four times the rate: what is left of the queue takes less than the time that has passed would
    // explain.
    #expect(after < before / 3)
    #expect(ramp.reserve(at: start + .seconds(3600)) == .zero)
    #expect(ramp.reserve(at: start + .seconds(3600)) > .milliseconds(90))
  }
}
