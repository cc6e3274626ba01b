internal import Synchronization

/// One `bindery.v1.WatchResponse`, serialised. Copies share the bytes: N watchers, one buffer.
package struct EncodedFrame: Hashable, Sendable {
  package let bytes: [UInt8]
  private let form = Form()

  package init(bytes: [UInt8]) { self.bytes = bytes }

  /// The frame in the form that a transport writes, made once for all watchers.
  package func inForm<Message: Sendable>(_ make: ([UInt8]) -> Message) -> Message {
    form.value.withLock { value in
      if let made = value as? Message { return made }
      let made = make(bytes)
      value = made
      return made
    }
  }

  /// Names the frame and its copies, as long as one of them is held.
  package var identity: ObjectIdentifier { ObjectIdentifier(form) }

  package static func == (a: Self, b: Self) -> Bool { a.bytes == b.bytes }

  package func hash(into hasher: inout Hasher) { hasher.combine(bytes) }

  private final class Form: Sendable {
    let value = Mutex<(any Sendable)?>(nil)
  }
}
