internal import NIOCore

/// A request's body that leaves only if a gate is open when its connection is there. Without a body the
/// service takes the request for unfinished and does nothing.
struct GatedBody: AsyncSequence, Sendable {
  struct Closed: Error {}

  private let bytes: ByteBuffer
  private let gate: @Sendable () -> Bool

  init(_ bytes: ByteBuffer, _ gate: @escaping @Sendable () -> Bool) {
    self.bytes = bytes
    self.gate = gate
  }

  func makeAsyncIterator() -> Iterator { Iterator(rest: bytes, gate: gate) }

  struct Iterator: AsyncIteratorProtocol {
    fileprivate var rest: ByteBuffer?
    fileprivate let gate: @Sendable () -> Bool

    mutating func next() async throws -> ByteBuffer? {
      guard let bytes = rest else { return nil }
      guard gate() else { throw Closed() }
      rest = nil
      return bytes
    }
  }
}
