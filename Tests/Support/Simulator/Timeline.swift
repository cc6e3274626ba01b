/// What happens next, in the order of true time (µs), and of its planning when at the same time.
struct Timeline {
  private struct Event {
    var at: Int64
    var number: Int
    var body: (Simulation) throws -> Void
  }

  private var heap: [Event] = []
  private var planned = 0

  mutating func plan(at time: Int64, _ body: @escaping (Simulation) throws -> Void) {
    planned += 1
    heap.append(Event(at: time, number: planned, body: body))
    var child = heap.count - 1
    while child > 0, isBefore(child, (child - 1) / 2) {
      heap.swapAt(child, (child - 1) / 2)
      child = (child - 1) / 2
    }
  }

  mutating func next() -> (at: Int64, body: (Simulation) throws -> Void)? {
    guard let first = heap.first else { return nil }
    let last = heap.removeLast()
    if !heap.isEmpty {
      heap[0] = last
      var parent = 0
      while true {
        var least = parent
        for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count {
          if isBefore(child, least) { least = child }
        }
        if least == parent { break }
        heap.swapAt(parent, least)
        parent = least
      }
    }
    return (first.at, first.body)
  }

  private func isBefore(_ a: Int, _ b: Int) -> Bool {
    (heap[a].at, heap[a].number) < (heap[b].at, heap[b].number)
  }
}
