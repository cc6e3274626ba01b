package import Access
package import GRPCCore

/// What one method asks of its caller, and of every message that the caller sends.
struct AccessRule: Sendable {
  /// Looks at a message, and narrows it to what the caller may ask for.
  typealias Check<Message> = @Sendable (inout Message, Principal) throws(AccessRefusal) -> Void

  let requirement: Requirement
  /// The answer goes on: it ends when the caller's credential does.
  let isStream: Bool
  /// A call under way is cut when the caller's credential ends. Not where that is what it does: the
  /// caller still needs the answer.
  var isCut = true
  private let check: @Sendable (any Sendable, Principal) throws(AccessRefusal) -> any Sendable

  /// - Parameters:
  ///   - requirement: Of the caller.
  ///   - message: Type of the request; another one is refused.
  ///   - check: Run on each message before the service sees it.
  init<Message: Sendable>(
    _ requirement: Requirement,
    _ message: Message.Type,
    isStream: Bool = false,
    _ check: @escaping Check<Message>
  ) {
    self.requirement = requirement
    self.isStream = isStream
    self.check = { (any, principal) throws(AccessRefusal) in
      guard var message = any as? Message else {
        throw principal.denied("sent a message that this method does not take")
      }
      try check(&message, principal)
      return message
    }
  }

  /// The same rule for a method that may end its own caller's credential.
  var uncut: AccessRule {
    var rule = self
    rule.isCut = false
    return rule
  }

  /// Open to everyone, whatever is sent.
  static let open = AccessRule(.anyone, (any Sendable).self) { (_, _) throws(AccessRefusal) in }

  /// The message as the service is to see it.
  ///
  /// - Throws: `AccessRefusal`.
  func admit<Message: Sendable>(
    _ message: Message,
    of principal: Principal
  ) throws(AccessRefusal) -> Message {
    guard let admitted = try check(message, principal) as? Message else {
      throw principal.denied("sent a message that this method does not take")
    }
    return admitted
  }
}

/// The rules of all methods of all services, by "service/method". A method without one is refused.
package enum AccessRules {
  static let all: [String: AccessRule] = admin.merging(versions) { first, _ in first }
    .merging(nodes) { first, _ in first }
    .merging(users) { first, _ in first }
    .merging(rollouts) { first, _ in first }
    .merging(open) { first, _ in first }

  /// What load balancers and tools ask before they know anybody.
  private static let open: [String: AccessRule] = [
    "grpc.health.v1.Health/Check": .open,
    "grpc.health.v1.Health/List": .open,
    "grpc.health.v1.Health/Watch": .open,
    "grpc.reflection.v1.ServerReflection/ServerReflectionInfo": .open,
    "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": .open,
  ]

  /// The rule of a method; nil when nobody has said what it asks for.
  package static func requirement(of method: MethodDescriptor) -> Requirement? {
    all[name(of: method)]?.requirement
  }

  /// Whether its answers end with the caller's credential.
  package static func endsWithCredential(_ method: MethodDescriptor) -> Bool {
    all[name(of: method)]?.isStream ?? false
  }

  /// The message as the method's service would see it.
  ///
  /// - Throws: `AccessRefusal`.
  package static func admit<Message: Sendable>(
    _ message: Message,
    to method: MethodDescriptor,
    of principal: Principal
  ) throws(AccessRefusal) -> Message {
    guard let rule = all[name(of: method)] else { throw principal.denied("calls what is closed") }
    try principal.meet(rule.requirement, of: method.method)
    return try rule.admit(message, of: principal)
  }

  static func name(of method: MethodDescriptor) -> String {
    "\(method.service.fullyQualifiedService)/\(method.method)"
  }
}
