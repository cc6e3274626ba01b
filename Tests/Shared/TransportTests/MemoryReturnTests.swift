import Testing
import Transport

@Suite struct `Memory of connections that have gone` {
  /// Connections come and go one by one; how many there are whenever memory is to be returned.
  private func story(_ counts: [Int]) -> [Int] {
    var memory = MemoryReturn()
    var asked: [Int] = []
    var now = 0
    for count in counts {
      let before = asked.count
      while now < count {
        now += 1
        memory.opened(now: now)
      }
      while now > count {
        now -= 1
        if memory.closed(now: now) { asked.append(now) }
      }
      // The moment has passed.
      if asked.count > before { memory.due(now: now) }
    }
    return asked
  }

  @Test func `is returned once for each crowd that goes`() {
    #expect(story([10_000, 0, 10_000, 0]) == [5_000, 5_000])
    #expect(story([3_000, 2_000, 1_400]) == [1_500])
  }

  @Test func `is not looked for when few go, however often`() {
    #expect(story([900, 0, 900, 0, 900, 0]) == [])
    #expect(story([10_000, 5_100, 10_000, 5_100]) == [])
  }
}
