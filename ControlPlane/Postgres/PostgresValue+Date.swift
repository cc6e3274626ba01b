package import Foundation

/// `timestamptz`, to the microsecond. `Date.distantFuture` and `Date.distantPast` are `infinity` and
/// `-infinity`.
extension Date: PostgresValue {
  package static var postgresType: UInt32 { TypeOID.timestamptz }

  package var postgresParameter: PostgresParameter {
    if self == .distantFuture { return .text("infinity", type: TypeOID.timestamptz) }
    if self == .distantPast { return .text("-infinity", type: TypeOID.timestamptz) }
    guard let text = TimestampText.format(self) else {
      return PostgresParameter(
        content: .invalid("a date lies outside of what timestamptz holds"),
        type: 0
      )
    }
    return .text(text, type: TypeOID.timestamptz)
  }

  package static func decodePostgres(_ cell: PostgresCell?) throws -> Date {
    guard let cell else { throw PostgresDecodingFailure.null(Date.self) }
    switch cell.text {
    case "infinity": return .distantFuture
    case "-infinity": return .distantPast
    case let text:
      guard let date = TimestampText.parse(text) else {
        throw PostgresDecodingFailure("is no timestamptz")
      }
      return date
    }
  }
}

/// The ISO form of `timestamptz` (PostgreSQL manual, 8.5.2), proleptic Gregorian, by the day-count
/// algorithm of Howard Hinnant (`days_from_civil`, `civil_from_days`).
enum TimestampText {
  private static let microsecondsPerDay = 86_400_000_000

  static func format(_ date: Date) -> String? {
    let seconds = date.timeIntervalSince1970
    // PostgreSQL holds 4713 BC to 294276 AD.
    guard seconds > -210_000_000_000, seconds < 9_220_000_000_000 else { return nil }
    let whole = seconds.rounded(.down)
    let microseconds = Int(whole) * 1_000_000 + Int(((seconds - whole) * 1_000_000).rounded())
    var day = microseconds / microsecondsPerDay
    var time = microseconds % microsecondsPerDay
    if time < 0 {
      day -= 1
      time += microsecondsPerDay
    }
    let (year, month, dayOfMonth) = civil(fromDays: day)
    let shown = year > 0 ? year : 1 - year
    let clock = time / 1_000_000
    var text: [UInt8] = []
    text.reserveCapacity(32)
    func append(_ number: Int, _ width: Int, _ sign: StaticString) {
      appendDecimal(UInt64(number), width: width, to: &text)
      text += UnsafeBufferPointer(start: sign.utf8Start, count: sign.utf8CodeUnitCount)
    }
    append(shown, 4, "-")
    append(month, 2, "-")
    append(dayOfMonth, 2, " ")
    append(clock / 3600, 2, ":")
    append(clock / 60 % 60, 2, ":")
    append(clock % 60, 2, ".")
    append(time % 1_000_000, 6, year > 0 ? "+00" : "+00 BC")
    return String(decoding: text, as: UTF8.self)
  }

  static func parse(_ text: String) -> Date? {
    var scanner = Scanner(text: Array(text.utf8))
    guard let year = scanner.number(), scanner.skip("-"), let month = scanner.number(),
      scanner.skip("-"), let day = scanner.number(), scanner.skip(" "),
      let hour = scanner.number(), scanner.skip(":"), let minute = scanner.number(),
      scanner.skip(":"), let second = scanner.number(), (1 ... 12).contains(month)
    else { return nil }
    var microsecond = 0
    if scanner.skip(".") {
      let start = scanner.position
      guard let fraction = scanner.number(), scanner.position - start <= 6 else { return nil }
      microsecond = fraction
      for _ in (scanner.position - start) ..< 6 { microsecond *= 10 }
    }
    var offset = 0
    if let sign = scanner.skip("+") ? 1 : scanner.skip("-") ? -1 : nil {
      guard let hours = scanner.number() else { return nil }
      offset = hours * 3600
      if scanner.skip(":") { offset += (scanner.number() ?? 0) * 60 }
      if scanner.skip(":") { offset += scanner.number() ?? 0 }
      offset *= sign
    }
    let isBC = scanner.skip(" BC")
    guard scanner.isAtEnd else { return nil }
    let days = days(fromYear: isBC ? 1 - year : year, month: month, day: day)
    let seconds = days * 86_400 + hour * 3600 + minute * 60 + second - offset
    return Date(timeIntervalSince1970: Double(seconds) + Double(microsecond) / 1_000_000)
  }

  private static func days(fromYear year: Int, month: Int, day: Int) -> Int {
    let shifted = month <= 2 ? year - 1 : year
    let era = (shifted >= 0 ? shifted : shifted - 399) / 400
    let yearOfEra = shifted - era * 400
    let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
    let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
    return era * 146_097 + dayOfEra - 719_468
  }

  private static func civil(fromDays days: Int) -> (year: Int, month: Int, day: Int) {
    let shifted = days + 719_468
    let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
    let dayOfEra = shifted - era * 146_097
    let yearOfEra =
      (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let shiftedMonth = (5 * dayOfYear + 2) / 153
    let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
    return (
      yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month,
      dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
    )
  }
}

private struct Scanner {
  let text: [UInt8]
  var position = 0

  var isAtEnd: Bool { position == text.count }

  mutating func number() -> Int? {
    let start = position
    var value = 0
    while position < text.count, position - start < 9,
      (UInt8(ascii: "0") ... UInt8(ascii: "9")).contains(text[position])
    {
      value = value * 10 + Int(text[position] - UInt8(ascii: "0"))
      position += 1
    }
    return position > start ? value : nil
  }

  mutating func skip(_ expected: StaticString) -> Bool {
    let count = expected.utf8CodeUnitCount
    guard position + count <= text.count else { return false }
    for index in 0 ..< count where text[position + index] != expected.utf8Start[index] {
      return false
    }
    position += count
    return true
  }
}
