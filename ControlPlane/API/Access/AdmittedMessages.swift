/// Messages of a call, each looked at before the service sees it, and so is their end.
struct AdmittedMessages<Base: AsyncSequence & Sendable>: AsyncSequence, Sendable
where Base.Element: Sendable {
  typealias Element = Base.Element
  typealias Failure = any Error
  /// Gets nil for the end.
  typealias Admit = @Sendable (Element?) throws -> Element?

  private let base: Base
  private let admit: Admit

  init(base: Base, admit: @escaping Admit) {
    self.base = base
    self.admit = admit
  }

  func makeAsyncIterator() -> AsyncIterator {
    AsyncIterator(base: base.makeAsyncIterator(), admit: admit)
  }

  struct AsyncIterator: AsyncIteratorProtocol {
    fileprivate var base: Base.AsyncIterator
    fileprivate let admit: Admit

    mutating func next() async throws -> Element? {
      try await next(isolation: #isolation)
    }

    mutating func next(isolation actor: isolated (any Actor)?) async throws -> Element? {
      try admit(try await base.next(isolation: actor))
    }
  }
}
