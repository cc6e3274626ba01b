package import GRPCCore
internal import NIOCore
package import SwiftProtobuf

/// A message that is encoded already, to be written to many streams.
package struct EncodedMessage: Hashable, Sendable {
  package let bytes: TransportBytes

  package init(_ bytes: TransportBytes) {
    self.bytes = bytes
  }

  /// Encodes `message`, once for all its readers.
  ///
  /// - Throws: `SwiftProtobuf.BinaryEncodingError`.
  package init(encoding message: some SwiftProtobuf.Message) throws {
    let encoded: [UInt8] = try message.serializedBytes()
    bytes = TransportBytes(ByteBuffer(bytes: encoded))
  }
}

/// Passes encoded messages on: without a copy to this package's transports, by a copy to others.
package struct EncodedMessageSerializer: MessageSerializer {
  package init() {}

  package func serialize<Bytes: GRPCContiguousBytes>(_ message: EncodedMessage) throws -> Bytes {
    if let bytes = message.bytes as? Bytes { return bytes }
    return message.bytes.withUnsafeBytes { Bytes($0) }
  }
}
