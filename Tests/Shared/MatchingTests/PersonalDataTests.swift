import Matching
import Testing

@Suite struct PersonalDataTests {
  private func found(_ text: String, _ kinds: PersonalData.Kind...) -> [String] {
    let bytes = Array(text.utf8)
    let detector = kinds.isEmpty ? PersonalData() : PersonalData(Set(kinds))
    return detector.hits(in: bytes).map { String(decoding: bytes[$0], as: UTF8.self) }
  }

  @Test func `Verhoeff's check tells a valid number from its neighbours`() {
    let digits: [UInt8] = [2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 4, 6]
    #expect(Checksums.verhoeff(digits))
    #expect(!Checksums.verhoeff([2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 4, 5]))
    // It finds every single wrong digit and every swap of two neighbours.
    for index in digits.indices {
      for other in UInt8(0) ... 9 where other != digits[index] {
        var wrong = digits
        wrong[index] = other
        #expect(!Checksums.verhoeff(wrong))
      }
      if index > 0, digits[index] != digits[index - 1] {
        var wrong = digits
        wrong.swapAt(index, index - 1)
        #expect(!Checksums.verhoeff(wrong))
      }
    }
  }

  @Test func `Luhn's check tells a card from a number`() {
    #expect(Checksums.luhn([4, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]))
    #expect(!Checksums.luhn([4, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2]))
    #expect(!Checksums.luhn([]))
  }

  @Test(arguments: [
    "234123412346", "2341 2341 2346", "2341-2341-2346", "२३४१ २३४१ २३४६", "೨೩೪೧೨೩೪೧೨೩೪೬",
  ])
  func `an Aadhaar number is found in any script and spacing`(number: String) {
    #expect(found("no. \(number), ok", .aadhaar) == [number])
    #expect(found("क\(number)") == [number])
  }

  @Test(arguments: [
    "234123412345", "2341 2341 2345", "1341 2341 2346", "2341234123461", "23412341",
  ])
  func `what is no Aadhaar number stays`(number: String) {
    #expect(found("no. \(number), ok", .aadhaar).isEmpty)
  }

  @Test(arguments: [
    "9876543210", "+919876543210", "+91 98765 43210", "919876543210", "09876543210",
    "98765-43210", "९८७६५४३२१०",
  ])
  func `a phone number is found with and without its prefix`(number: String) {
    #expect(found("call \(number).", .phone) == [number])
  }

  @Test(arguments: ["5876543210", "987654321", "98765432101", "12345"])
  func `what is no phone number stays`(number: String) {
    #expect(found("call \(number).", .phone).isEmpty)
  }

  @Test func `a mobile number with its 91 is no Aadhaar number though it passes the check`() {
    // 9198765432xx with a check digit made to fit.
    let passing = (0 ... 9).map { "91987654321\($0)" }.filter { number in
      Checksums.verhoeff(number.utf8.map { $0 - 48 })
    }
    #expect(passing.count == 1)
    for number in passing {
      #expect(found(number, .aadhaar).isEmpty)
      #expect(found(number, .aadhaar, .phone) == [number])
    }
  }

  @Test func `cards, PANs, e-mail and UPI addresses are found`() {
    #expect(found("4111 1111 1111 1111", .card) == ["4111 1111 1111 1111"])
    #expect(found("4111111111111112", .card).isEmpty)
    #expect(found("PAN: ABCPE1234F, abcpe1234f", .pan) == ["ABCPE1234F", "abcpe1234f"])
    #expect(found("ABCXE1234F ABCPE1234FG XABCPE1234F", .pan).isEmpty)
    #expect(found("to a.b+c@mail.example.co.in.", .email) == ["a.b+c@mail.example.co.in"])
    #expect(found("-foo@x.com", .email) == ["foo@x.com"])
    #expect(
      found("pay asha.k@okaxis, or 9876543210@ybl!", .upi) == ["asha.k@okaxis", "9876543210@ybl"]
    )
    #expect(found("asha@nowhere asha@ybl.in", .upi).isEmpty)
    #expect(found("asha@ybl.in", .upi, .email) == ["asha@ybl.in"])
  }

  @Test func `only the wanted kinds are found`() {
    let text = "9876543210 and 2341 2341 2346 and a@b.in"
    #expect(found(text, .phone) == ["9876543210"])
    #expect(found(text, .email) == ["a@b.in"])
    #expect(found(text).count == 3)
  }

  @Test func `links to other hosts are found, e-mail addresses are none`() throws {
    let links = try ForeignLinks(allowing: ["shop.example.in", "*.trusted.org"])
    func foreign(_ text: String) -> [String] {
      let bytes = Array(text.utf8)
      return links.hits(in: bytes).map { String(decoding: bytes[$0], as: UTF8.self) }
    }
    #expect(foreign("see https://shop.example.in/a?b, http://www.shop.example.in").isEmpty)
    #expect(foreign("at a.trusted.org and HTTPS://X.Y.TRUSTED.ORG:443/z").isEmpty)
    #expect(foreign("(https://evil.example/x).") == ["https://evil.example/x"])
    #expect(
      foreign("https://shop.example.in@evil.example/") == ["https://shop.example.in@evil.example/"]
    )
    #expect(foreign(#"https:\\evil.example"#) == [#"https:\\evil.example"#])
    #expect(foreign("bit.ly/abc or www.evil.example") == ["bit.ly/abc", "www.evil.example"])
    #expect(foreign("trusted.org.evil.com") == ["trusted.org.evil.com"])
    #expect(foreign("upi://pay?pa=x@ybl") == ["upi://pay?pa=x@ybl"])
    #expect(foreign("write to a@b.com. Nothing.else 3.5").isEmpty)
  }
}
