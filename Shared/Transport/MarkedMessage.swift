package import GRPCCore
internal import NIOCore

// What of compression is the business of a service or of a caller. A call's compression is asked for
// by `CallOptions.compression` or the response's metadata; a single message may be left out of it.

/// A message that knows how it travels: received, whether it came compressed; sent, whether it follows
/// the call's compression or goes as it is.
package struct MarkedMessage<Message: Sendable>: Sendable {
  package var message: Message
  package var isCompressed: Bool

  package init(_ message: Message, isCompressed: Bool) {
    self.message = message
    self.isCompressed = isCompressed
  }
}

/// Marks what `base` makes. On other transports than this package's, marks are lost.
package struct MarkedSerializer<Base: MessageSerializer>: MessageSerializer
where Base.Message: Sendable {
  private let base: Base

  package init(_ base: Base) {
    self.base = base
  }

  package func serialize<Bytes: GRPCContiguousBytes>(
    _ marked: MarkedMessage<Base.Message>
  ) throws -> Bytes {
    let bytes: Bytes = try base.serialize(marked.message)
    guard var own = bytes as? TransportBytes else { return bytes }
    own.isCompressed = marked.isCompressed
    return own as? Bytes ?? bytes
  }
}

/// Keeps the mark of what `base` reads. From other transports than this package's, nothing is known
/// to be compressed.
package struct MarkedDeserializer<Base: MessageDeserializer>: MessageDeserializer
where Base.Message: Sendable {
  private let base: Base

  package init(_ base: Base) {
    self.base = base
  }

  package func deserialize<Bytes: GRPCContiguousBytes>(
    _ bytes: Bytes
  ) throws -> MarkedMessage<Base.Message> {
    MarkedMessage(
      try base.deserialize(bytes),
      isCompressed: (bytes as? TransportBytes)?.isCompressed ?? false
    )
  }
}

extension Metadata {
  /// In a response's initial metadata: whether its messages are compressed, if the client takes that;
  /// nil for what the server's configuration says. It is not sent itself.
  package var compression: CompressionAlgorithm? {
    get {
      for text in self[stringValues: Self.compressionKey] {
        return text == MessageEncoding.gzip ? .gzip : CompressionAlgorithm.none
      }
      return nil
    }
    set {
      removeAllValues(forKey: Self.compressionKey)
      guard let newValue else { return }
      addString(
        newValue == .gzip ? MessageEncoding.gzip : MessageEncoding.identity,
        forKey: Self.compressionKey
      )
    }
  }

  /// The name that gRPC's C core gives to the same thing.
  static let compressionKey = "grpc-internal-encoding-request"
}

/// Message encodings by their names on the wire.
enum MessageEncoding {
  static let identity = "identity"
  static let gzip = "gzip"
  /// Value of `grpc-accept-encoding`.
  static let accepted = "identity,gzip"

  /// Whether a `grpc-accept-encoding` names gzip.
  static func acceptsGzip(_ value: String) -> Bool {
    value.split(separator: ",").contains { part in
      part.drop { $0 == " " || $0 == "\t" }.prefix { $0 != " " && $0 != "\t" } == gzip
    }
  }
}
