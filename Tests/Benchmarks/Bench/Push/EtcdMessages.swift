/// The few messages of etcd's v3 API that are needed (etcd 3.4, api `etcdserverpb/rpc.proto`): all of
/// them are length-delimited fields with short numbers.
enum EtcdMessages {
  static let key = Array("bench".utf8)

  /// `WatchRequest { create_request = 1 { key = 1 } }`
  static func watch(_ key: [UInt8]) -> [UInt8] { field(1, field(1, key)) }

  /// `PutRequest { key = 1, value = 2 }`
  static func put(_ key: [UInt8], _ value: [UInt8]) -> [UInt8] { field(1, key) + field(2, value) }

  private static func field(_ number: UInt8, _ bytes: [UInt8]) -> [UInt8] {
    var length = bytes.count
    var varint: [UInt8] = []
    while length >= 0x80 {
      varint.append(UInt8(length & 0x7f) | 0x80)
      length >>= 7
    }
    varint.append(UInt8(length))
    return [number << 3 | 2] + varint + bytes
  }
}
