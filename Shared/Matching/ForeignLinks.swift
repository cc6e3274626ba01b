/// Finds links to hosts that are not on a list.
///
/// A link is anything with a scheme and `//`, anything that begins with `www.`, and a bare name under
/// a usual top-level domain, as messengers make all of these clickable. An entry of the list is a
/// host (with or without `www.`), or `*.example.in` for all hosts below it.
package struct ForeignLinks: Detector {
  private let pattern: Pattern
  private let hosts: Set<String>
  private let parents: [String]

  private static let topLevels = [
    "ai", "app", "biz", "club", "cn", "co", "com", "dev", "eu", "fun", "gg", "gl", "gov", "icu",
    "in", "info", "io", "li", "link", "live", "ly", "me", "mobi", "name", "net", "online", "org",
    "page", "pro", "ru", "shop", "site", "space", "store", "tech", "to", "top", "tv", "uk", "us",
    "vip", "website", "work", "xyz",
  ].joined(separator: "|")

  private static let source =
    #"[a-z][a-z0-9+.-]{0,20}:[/\\]{2}[^\s<>"'`]+|www\.[^\s<>"'`]+|"#
    + #"(?:[\p{L}\p{N}][\p{L}\p{M}\p{N}-]*\.)+"#
    + #"(?:\#(topLevels))\b(?::\d{1,5})?(?:[/?#][^\s<>"'`]*)?"#

  /// One for all lists: it is large.
  private static let compiled = Result { () throws(PatternError) in
    try Pattern(source, ignoringCase: true)
  }

  /// - Throws: `PatternError`, never with this source.
  package init(allowing hosts: [String]) throws(PatternError) {
    pattern = try Self.compiled.get()
    let names = hosts.map { Self.normalised($0) }
    self.hosts = Set(names.filter { !$0.hasPrefix("*.") })
    parents = names.filter { $0.hasPrefix("*.") }.map { String($0.dropFirst()) }
  }

  package var searchesGrowingText: Bool { true }

  package func step(
    in text: UnsafeRawBufferPointer,
    from start: Int,
    isComplete: Bool
  ) -> DetectionStep {
    // No link has a space in it: what stands before the last space is decided, whatever follows.
    let text = isComplete ? text : Self.closed(text)
    guard start < text.count else { return .clear(upTo: start) }
    var start = start
    while let match = pattern.firstMatch(in: text, from: start) {
      let link = Self.withoutTrailingPunctuation(match, in: text)
      start = max(link.upperBound, match.lowerBound + 1)
      // The host of an e-mail address is no link.
      let isAddress = match.lowerBound > 0 && text[match.lowerBound - 1] == UInt8(ascii: "@")
      let spelled = String(decoding: text[link], as: UTF8.self)
      if !isAddress || spelled.contains("//"), !isAllowed(Self.host(of: spelled)) {
        return .hit(link, resume: start)
      }
    }
    return .clear(upTo: text.count)
  }

  /// Up to the end of the last ASCII white space: what `\s` in the pattern matches.
  private static func closed(_ text: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
    let end = text.lastIndex { $0 == 0x20 || (0x09 ... 0x0D).contains($0) && $0 != 0x0B }
    return UnsafeRawBufferPointer(rebasing: text[..<(end.map { $0 + 1 } ?? 0)])
  }

  private func isAllowed(_ host: String) -> Bool {
    hosts.contains(host) || parents.contains { host.hasSuffix($0) }
  }

  /// What a browser would connect to: behind the last "@", before the port, in lower case.
  private static func host(of link: String) -> String {
    let link = link.replacing("\\", with: "/")
    let afterScheme = link.firstRange(of: "//").map { link[$0.upperBound...] } ?? link[...]
    let authority = afterScheme.prefix { !"/?#".contains($0) }
    let afterUser = authority.split(separator: "@", omittingEmptySubsequences: false).last ?? ""
    return normalised(String(afterUser.prefix { $0 != ":" }))
  }

  /// In lower case, without `www.` and the dot at the end.
  package static func normalised(_ host: String) -> String {
    var host = host.lowercased()
    while host.hasSuffix(".") { host.removeLast() }
    return host.hasPrefix("www.") ? String(host.dropFirst(4)) : host
  }

  private static func withoutTrailingPunctuation(
    _ match: Range<Int>,
    in text: UnsafeRawBufferPointer
  ) -> Range<Int> {
    var end = match.upperBound
    while end > match.lowerBound + 1, ".,;:!?)]}*_~".utf8.contains(text[end - 1]) { end -= 1 }
    return match.lowerBound ..< end
  }
}
