internal import Domain
internal import Foundation

/// A section's content, checked and decoded once.
enum DecodedSection: Sendable {
  case platform(PlatformSection)
  case human(HumanSection)
  case team(TeamSection)
  case agent(AgentSection)

  /// - Throws: `Refusal` when the content is not what its digest names, or can't be decoded.
  init(_ section: SectionResource) throws(Refusal) {
    let content = Data(section.content.utf8)
    guard Digest(of: content) == section.digest else {
      throw Refusal(.badDigest, "the section's content is not what its digest names")
    }
    do {
      let decoder = JSONDecoder()
      switch section.kind {
      case .platform: self = .platform(try decoder.decode(PlatformSection.self, from: content))
      case .human: self = .human(try decoder.decode(HumanSection.self, from: content))
      case .team: self = .team(try decoder.decode(TeamSection.self, from: content))
      case .agent: self = .agent(try decoder.decode(AgentSection.self, from: content))
      }
    } catch {
      throw Refusal(
        .undecodable,
        "the \(section.kind.rawValue) section: \(Refusal.place(of: error))"
      )
    }
  }
}

/// Why a resource is not served in its new form.
struct Refusal: Error, Hashable, Sendable {
  enum Code: String, Hashable, Sendable {
    case badDigest = "BAD_DIGEST"
    case undecodable = "UNDECODABLE"
    case missingSection = "MISSING_SECTION"
    case unsupported = "UNSUPPORTED"
    case refusedBefore = "REFUSED_BEFORE"
  }

  var code: Code
  /// No tenant content.
  var message: String

  init(_ code: Code, _ message: String) {
    self.code = code
    self.message = message
  }

  /// Names the place of a decoding error, never the content.
  static func place(of error: any Error) -> String {
    switch error as? DecodingError {
    case .keyNotFound(let key, let context): "no \(key.stringValue) at \(path(context))"
    case .valueNotFound(_, let context): "nothing at \(path(context))"
    case .typeMismatch(_, let context): "another type at \(path(context))"
    case .dataCorrupted(let context): "not valid at \(path(context))"
    case .none: "can't be decoded"
    case .some: "can't be decoded"
    }
  }

  private static func path(_ context: DecodingError.Context) -> String {
    "/"
      + context.codingPath.map { $0.intValue.map(String.init) ?? $0.stringValue }
      .joined(separator: "/")
  }
}
