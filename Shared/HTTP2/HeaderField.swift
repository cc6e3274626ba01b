/// One header field of HTTP/2 (RFC 9113 section 8.2): the name in lower case, the value as text.
package struct HeaderField: Hashable, Sendable {
  package var name: String
  package var value: String

  package init(_ name: String, _ value: String) {
    self.name = name
    self.value = value
  }
}

extension [HeaderField] {
  /// The first value of `name`, which is in lower case.
  package subscript(_ name: String) -> String? {
    first { $0.name == name }?.value
  }
}
