internal import CNGHTTP2

/// Header fields of a peer that come again and again, made once.
///
/// HPACK's tables hand out the same buffers for an indexed field each time (`nghttp2_rcbuf`), so
/// their addresses name the field. The cache keeps a reference to them, so that no address is used
/// anew meanwhile.
struct HeaderCache: ~Copyable {
  private struct Slot {
    var name: OpaquePointer
    var value: OpaquePointer
    var field: HeaderField
  }

  private static let size = 64
  /// Bytes of a name or value that are worth keeping: a peer must not fill the cache with what is long.
  private static let longest = 256
  private var slots = [Slot?](repeating: nil, count: size)

  deinit {
    for case let slot? in slots {
      nghttp2_rcbuf_decref(slot.name)
      nghttp2_rcbuf_decref(slot.value)
    }
  }

  mutating func field(_ name: OpaquePointer, _ value: OpaquePointer) -> HeaderField {
    // Allocations are 16 bytes apart at least.
    let index = Int(bitPattern: value) >> 4 ^ Int(bitPattern: name) >> 5
    let place = index & (Self.size - 1)
    if let slot = slots[place], slot.name == name, slot.value == value { return slot.field }
    let field = HeaderField(Self.text(name), Self.text(value))
    guard field.name.utf8.count <= Self.longest, field.value.utf8.count <= Self.longest else {
      return field
    }
    if let old = slots[place] {
      nghttp2_rcbuf_decref(old.name)
      nghttp2_rcbuf_decref(old.value)
    }
    nghttp2_rcbuf_incref(name)
    nghttp2_rcbuf_incref(value)
    slots[place] = Slot(name: name, value: value, field: field)
    return field
  }

  private static func text(_ buffer: OpaquePointer) -> String {
    let bytes = nghttp2_rcbuf_get_buf(buffer)
    return String(decoding: UnsafeBufferPointer(start: bytes.base, count: bytes.len), as: UTF8.self)
  }
}
