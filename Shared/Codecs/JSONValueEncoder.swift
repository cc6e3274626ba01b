internal import Domain
internal import Foundation

/// Makes a `JSONValue` of any `Encodable` without a detour through text.
///
/// Gives what `JSONEncoder` gives with its defaults: dates as seconds since 2001, data as Base64. It
/// keeps no coding paths: they cost more than all the rest, and only errors would show them.
struct JSONValueEncoder {
  /// - Throws: what `value` throws; `EncodingError` for integers beyond Int64.
  static func value(of value: some Encodable) throws -> JSONValue {
    try json(value)
  }

  fileprivate static func json(_ value: some Encodable) throws -> JSONValue {
    // The usual leaves, without an encoder of their own.
    switch value {
    case let it as JSONValue: return it
    case let it as String: return .string(it)
    case let it as Data: return .string(it.base64EncodedString())
    default: break
    }
    let box = Box()
    try value.encode(to: TreeEncoder(box: box))
    return box.value
  }
}

/// Where an encoder leaves its value.
private final class Box {
  private enum Content {
    case single(JSONValue)
    case members([String: Box])
    case elements([Box])
  }

  private var content: Content?

  init() {}

  /// What encodes nothing is an empty object, as for `JSONEncoder`.
  var value: JSONValue {
    switch content {
    case nil: .object([:])
    case .single(let value): value
    case .members(let members): .object(members.mapValues(\.value))
    case .elements(let elements): .array(elements.map(\.value))
    }
  }

  func set(_ value: JSONValue) { content = .single(value) }

  func beginMembers() {
    if case .members = content { return }
    content = .members([:])
  }

  func beginElements() {
    if case .elements = content { return }
    content = .elements([])
  }

  var count: Int {
    if case .elements(let elements) = content { elements.count } else { 0 }
  }

  func member(_ key: String) -> Box {
    let box = Box()
    guard case .members(var members) = content else { return box }
    content = nil
    members[key] = box
    content = .members(members)
    return box
  }

  func element() -> Box {
    let box = Box()
    guard case .elements(var elements) = content else { return box }
    content = nil
    elements.append(box)
    content = .elements(elements)
    return box
  }
}

private struct TreeEncoder: Encoder {
  let box: Box
  var codingPath: [any CodingKey] { [] }
  var userInfo: [CodingUserInfoKey: Any] { [:] }

  func container<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedEncodingContainer<Key> {
    box.beginMembers()
    return KeyedEncodingContainer(Keyed<Key>(box: box))
  }

  func unkeyedContainer() -> any UnkeyedEncodingContainer {
    box.beginElements()
    return Unkeyed(box: box)
  }

  func singleValueContainer() -> any SingleValueEncodingContainer {
    Single(box: box)
  }
}

private struct Single: SingleValueEncodingContainer {
  let box: Box
  var codingPath: [any CodingKey] { [] }

  func encodeNil() { box.set(.null) }
  func encode(_ value: Bool) { box.set(.bool(value)) }
  func encode(_ value: String) { box.set(.string(value)) }
  func encode(_ value: Double) { box.set(.double(value)) }
  // The digits that a Float has, not those of the Double nearest to it.
  func encode(_ value: Float) { box.set(.double(Double("\(value)") ?? Double(value))) }
  func encode(_ value: Int) { box.set(.int(Int64(value))) }
  func encode(_ value: Int8) { box.set(.int(Int64(value))) }
  func encode(_ value: Int16) { box.set(.int(Int64(value))) }
  func encode(_ value: Int32) { box.set(.int(Int64(value))) }
  func encode(_ value: Int64) { box.set(.int(value)) }
  func encode(_ value: UInt) throws { try encode(UInt64(value)) }
  func encode(_ value: UInt8) { box.set(.int(Int64(value))) }
  func encode(_ value: UInt16) { box.set(.int(Int64(value))) }
  func encode(_ value: UInt32) { box.set(.int(Int64(value))) }
  func encode(_ value: UInt64) throws {
    guard let int = Int64(exactly: value) else {
      throw EncodingError.invalidValue(
        value,
        .init(codingPath: codingPath, debugDescription: "beyond Int64")
      )
    }
    box.set(.int(int))
  }
  func encode<T: Encodable>(_ value: T) throws {
    box.set(try JSONValueEncoder.json(value))
  }
}

private struct Keyed<Key: CodingKey>: KeyedEncodingContainerProtocol {
  let box: Box
  var codingPath: [any CodingKey] { [] }

  private func single(_ key: Key) -> Single {
    Single(box: box.member(key.stringValue))
  }

  func encodeNil(forKey key: Key) { single(key).encodeNil() }
  func encode(_ value: Bool, forKey key: Key) { box.member(key.stringValue).set(.bool(value)) }
  func encode(_ value: String, forKey key: Key) { box.member(key.stringValue).set(.string(value)) }
  func encode(_ value: Double, forKey key: Key) { box.member(key.stringValue).set(.double(value)) }
  func encode(_ value: Float, forKey key: Key) { single(key).encode(value) }
  func encode(_ value: Int, forKey key: Key) { single(key).encode(value) }
  func encode(_ value: Int8, forKey key: Key) { single(key).encode(value) }
  func encode(_ value: Int16, forKey key: Key) { single(key).encode(value) }
  func encode(_ value: Int32, forKey key: Key) { single(key).encode(value) }
  func encode(_ value: Int64, forKey key: Key) { single(key).encode(value) }
  func encode(_ value: UInt, forKey key: Key) throws { try single(key).encode(value) }
  func encode(_ value: UInt8, forKey key: Key) { single(key).encode(value) }
  func encode(_ value: UInt16, forKey key: Key) { single(key).encode(value) }
  func encode(_ value: UInt32, forKey key: Key) { single(key).encode(value) }
  func encode(_ value: UInt64, forKey key: Key) throws { try single(key).encode(value) }
  func encode<T: Encodable>(_ value: T, forKey key: Key) throws { try single(key).encode(value) }

  func nestedContainer<NestedKey: CodingKey>(
    keyedBy keyType: NestedKey.Type,
    forKey key: Key
  ) -> KeyedEncodingContainer<NestedKey> {
    encoder(key).container(keyedBy: keyType)
  }

  func nestedUnkeyedContainer(forKey key: Key) -> any UnkeyedEncodingContainer {
    encoder(key).unkeyedContainer()
  }

  func superEncoder() -> any Encoder {
    TreeEncoder(box: box.member("super"))
  }

  func superEncoder(forKey key: Key) -> any Encoder { encoder(key) }

  private func encoder(_ key: Key) -> TreeEncoder {
    TreeEncoder(box: box.member(key.stringValue))
  }
}

private struct Unkeyed: UnkeyedEncodingContainer {
  let box: Box
  var codingPath: [any CodingKey] { [] }
  var count: Int { box.count }

  private func single() -> Single { Single(box: box.element()) }

  func encodeNil() { single().encodeNil() }
  func encode(_ value: Bool) { single().encode(value) }
  func encode(_ value: String) { single().encode(value) }
  func encode(_ value: Double) { single().encode(value) }
  func encode(_ value: Float) { single().encode(value) }
  func encode(_ value: Int) { single().encode(value) }
  func encode(_ value: Int8) { single().encode(value) }
  func encode(_ value: Int16) { single().encode(value) }
  func encode(_ value: Int32) { single().encode(value) }
  func encode(_ value: Int64) { single().encode(value) }
  func encode(_ value: UInt) throws { try single().encode(value) }
  func encode(_ value: UInt8) { single().encode(value) }
  func encode(_ value: UInt16) { single().encode(value) }
  func encode(_ value: UInt32) { single().encode(value) }
  func encode(_ value: UInt64) throws { try single().encode(value) }
  func encode<T: Encodable>(_ value: T) throws { try single().encode(value) }

  func nestedContainer<NestedKey: CodingKey>(
    keyedBy keyType: NestedKey.Type
  ) -> KeyedEncodingContainer<NestedKey> {
    TreeEncoder(box: box.element()).container(keyedBy: keyType)
  }

  func nestedUnkeyedContainer() -> any UnkeyedEncodingContainer {
    TreeEncoder(box: box.element()).unkeyedContainer()
  }

  func superEncoder() -> any Encoder { TreeEncoder(box: box.element()) }
}
