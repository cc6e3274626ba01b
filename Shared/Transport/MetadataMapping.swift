internal import Foundation
internal import GRPCCore
internal import HTTP2

// gRPC's metadata as header fields (gRPC's doc/PROTOCOL-HTTP2.md): "-bin" values in Base64, several
// of them perhaps joined by commas; "grpc-message" percent-encoded.

/// Whether a field is the transport's own business and never metadata. Asked for every field of
/// every call, so the length decides first.
private func isReserved(_ name: String) -> Bool {
  switch name.utf8.count {
  case 2: name == "te"
  case 4: name == "host"
  case 11: name == "grpc-status"
  case 12: name == "content-type" || name == "grpc-timeout" || name == "grpc-message"
  case 13: name == "grpc-encoding"
  case 20: name == "grpc-accept-encoding"
  default: name == Metadata.compressionKey
  }
}

extension Metadata {
  /// What of `fields` is the application's.
  init(fields: [HeaderField]) {
    self.init()
    for field in fields where field.name.utf8.first != UInt8(ascii: ":") && !isReserved(field.name)
    {
      guard field.name.hasSuffix("-bin") else {
        addString(field.value, forKey: field.name)
        continue
      }
      for part in field.value.split(separator: ",", omittingEmptySubsequences: false) {
        let text = part.trimmingPrefix(while: { $0 == " " })
        // Padding is optional on the wire; Foundation wants it.
        let padded = text + String(repeating: "=", count: (4 - text.utf8.count % 4) % 4)
        if let data = Data(base64Encoded: String(padded)) {
          addBinary([UInt8](data), forKey: field.name)
        }
      }
    }
  }

  /// The fields of the metadata, reserved ones left out.
  var fields: [HeaderField] {
    compactMap { key, value in
      let name = key.lowercased()
      guard !isReserved(name), !name.hasPrefix(":"), !name.isEmpty else { return nil }
      switch value {
      case .string(let text): return HeaderField(name, text)
      case .binary(let bytes):
        let encoded = Data(bytes).base64EncodedString()
        return HeaderField(name, String(encoded.prefix { $0 != "=" }))
      }
    }
  }
}

extension Status {
  /// As trailers.
  var fields: [HeaderField] {
    var fields = [HeaderField("grpc-status", String(code.rawValue))]
    if !message.isEmpty {
      fields.append(HeaderField("grpc-message", percentEncoded(Self.cut(message))))
    }
    return fields
  }

  /// Peers take header lists of 8 KiB and more (gRPC's default limit); a message that exceeds them would
  /// cost the whole status. Percent-encoded, a byte is three.
  private static func cut(_ message: String) -> String {
    let limit = 2 * 1024
    guard message.utf8.count > limit else { return message }
    var end = message.utf8.index(message.utf8.startIndex, offsetBy: limit)
    while end > message.startIndex, end.samePosition(in: message.unicodeScalars) == nil {
      end = message.utf8.index(before: end)
    }
    return message[..<end] + "…"
  }

  /// From trailers; nil without a valid `grpc-status`.
  init?(fields: [HeaderField]) {
    guard let text = fields["grpc-status"], let number = Int(text) else { return nil }
    self.init(
      code: Status.Code(rawValue: number) ?? .unknown,
      message: fields["grpc-message"].map(percentDecoded) ?? ""
    )
  }
}

/// Escapes all but 0x20 through 0x7E, and the percent sign.
func percentEncoded(_ text: String) -> String {
  var result: [UInt8] = []
  let digits = Array("0123456789ABCDEF".utf8)
  for byte in text.utf8 {
    if (0x20 ... 0x7E).contains(byte), byte != UInt8(ascii: "%") {
      result.append(byte)
    } else {
      result += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
    }
  }
  return String(decoding: result, as: UTF8.self)
}

/// Undoes `percentEncoded`; what is no valid escape stays as it is, as the protocol asks.
func percentDecoded(_ text: String) -> String {
  let bytes = Array(text.utf8)
  var result: [UInt8] = []
  var index = 0
  while index < bytes.count {
    if bytes[index] == UInt8(ascii: "%"), index + 2 < bytes.count,
      let value = UInt8(
        String(decoding: bytes[(index + 1) ... (index + 2)], as: UTF8.self),
        radix: 16
      )
    {
      result.append(value)
      index += 3
    } else {
      result.append(bytes[index])
      index += 1
    }
  }
  return String(decoding: result, as: UTF8.self)
}

/// Reads "grpc-timeout": at most 8 digits and a unit. Nil when malformed.
func grpcTimeout(_ text: String) -> Duration? {
  guard let unit = text.last, (2 ... 9).contains(text.utf8.count),
    text.dropLast().allSatisfy({ ("0" ... "9").contains($0) }), let amount = Int64(text.dropLast())
  else { return nil }
  switch unit {
  case "H": return .seconds(amount * 3600)
  case "M": return .seconds(amount * 60)
  case "S": return .seconds(amount)
  case "m": return .milliseconds(amount)
  case "u": return .microseconds(amount)
  case "n": return .nanoseconds(amount)
  default: return nil
  }
}
