/// One `bindery.v1.WatchResponse`, serialised. Copies share the bytes: N watchers, one buffer.
package struct EncodedFrame: Hashable, Sendable {
  package let bytes: [UInt8]

  package init(bytes: [UInt8]) { self.bytes = bytes }
}
