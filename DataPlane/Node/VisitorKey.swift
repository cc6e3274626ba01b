internal import Foundation
internal import Observability

/// This node's own key for web visitors' tokens, made on the first start.
///
/// Nodes behind one balancer share a tenant's secret `web_visitor_key` instead: a visitor who comes
/// to another node is a stranger there without it.
enum VisitorKey {
  /// - Throws: `ProgramFailure`.
  static func load(directory: String) throws -> [UInt8] {
    let path = "\(directory)/visitor-key"
    if let data = FileManager.default.contents(atPath: path), data.count == 32 {
      return Array(data)
    }
    var random = SystemRandomNumberGenerator()
    let key = (0 ..< 32).map { _ in UInt8.random(in: .min ... .max, using: &random) }
    guard
      FileManager.default.createFile(
        atPath: path,
        contents: Data(key),
        attributes: [.posixPermissions: 0o600]
      )
    else { throw ProgramFailure(.unusable, "\(path) can't be written: make it writable") }
    return key
  }
}
