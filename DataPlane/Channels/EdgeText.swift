/// Answers that must not tell one case from another.
enum EdgeText {
  /// Unknown, archived and inactive alike.
  static let notFound = "not found\n"
}
