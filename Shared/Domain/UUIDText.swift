package import Foundation

/// The text form of UUIDs (RFC 9562, section 4). Foundation's own goes through `snprintf` and `sscanf`,
/// which costs more than all else that is done with an id.
extension UUID {
  /// Lower-case and hyphenated.
  package var text: String {
    withUnsafeBytes(of: uuid) { bytes in
      String(unsafeUninitializedCapacity: 36) { text in
        var place = 0
        for (index, byte) in bytes.enumerated() {
          if Self.isAfterHyphen(index) {
            text[place] = UInt8(ascii: "-")
            place += 1
          }
          text[place] = hexDigit(byte >> 4)
          text[place + 1] = hexDigit(byte & 0x0F)
          place += 2
        }
        return place
      }
    }
  }

  /// Parses the hyphenated form, in letters of either case; nil for anything else.
  package init?(text: some Collection<UInt8>) {
    guard text.count == 36 else { return nil }
    var id: uuid_t = (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
    let isWhole = withUnsafeMutableBytes(of: &id) { bytes in
      var digits = text.makeIterator()
      for index in bytes.indices {
        if Self.isAfterHyphen(index), digits.next() != UInt8(ascii: "-") { return false }
        guard let high = digits.next().flatMap(valueOfHexDigit),
          let low = digits.next().flatMap(valueOfHexDigit)
        else { return false }
        bytes[index] = high << 4 | low
      }
      return true
    }
    guard isWhole else { return nil }
    self.init(uuid: id)
  }

  private static func isAfterHyphen(_ index: Int) -> Bool {
    index == 4 || index == 6 || index == 8 || index == 10
  }
}

/// Lower-case.
func hexDigit(_ value: UInt8) -> UInt8 {
  value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10
}

/// Of either case; nil for what is no digit.
func valueOfHexDigit(_ digit: UInt8) -> UInt8? {
  switch digit {
  case UInt8(ascii: "0") ... UInt8(ascii: "9"): digit - UInt8(ascii: "0")
  case UInt8(ascii: "a") ... UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
  case UInt8(ascii: "A") ... UInt8(ascii: "F"): digit - UInt8(ascii: "A") + 10
  default: nil
  }
}
