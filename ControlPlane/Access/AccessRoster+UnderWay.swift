internal import Domain
internal import Foundation
internal import Store
internal import Synchronization

/// What is under way with a credential ends with it.
extension AccessRoster {
  /// Returns when the credential is no longer good: revoked, rotated or expired.
  ///
  /// - Throws: `CancellationError`.
  package func lapse(of credential: Principal.Credential) async throws -> AccessRefusal {
    let (stream, ring) = AsyncStream.makeStream(of: Void.self)
    let number = state.withLock { state in
      state.nextWatcher += 1
      state.watchers[state.nextWatcher] = Watcher(credential: credential, ring: ring)
      return state.nextWatcher
    }
    defer { state.withLock { _ = $0.watchers.removeValue(forKey: number) } }
    do throws(AccessRefusal) {
      // It may have ended since it was looked up.
      try confirm(credential)
    } catch {
      return error
    }
    for await _ in stream {}
    try Task.checkCancellation()
    do throws(AccessRefusal) {
      try confirm(credential)
    } catch {
      return error
    }
    return AccessRefusal(.unauthenticated, "the credential is no longer good")
  }

  /// - Throws: `AccessRefusal`, when the credential is no longer good.
  package func confirm(_ credential: Principal.Credential) throws(AccessRefusal) {
    let token = credential.hash.flatMap { hash in state.withLock { $0.byHash[hash] } }
    if let refusal = Self.lapsed(credential, token, at: now()) { throw refusal }
  }

  func endLapsed() {
    let now = now()
    let ended = state.withLock { state in
      let ended = state.watchers.filter {
        let credential = $0.value.credential
        return Self.lapsed(credential, credential.hash.flatMap { state.byHash[$0] }, at: now) != nil
      }
      for number in ended.keys { state.watchers[number] = nil }
      return ended.values.map(\.ring)
    }
    for ring in ended { ring.finish() }
  }

  private static func lapsed(
    _ credential: Principal.Credential,
    _ token: AccessToken?,
    at now: Date
  ) -> AccessRefusal? {
    switch credential {
    case .certificate(let notAfter):
      guard notAfter <= now else { return nil }
      return AccessRefusal(.unauthenticated, "the certificate has expired; connect with a new one")
    case .token:
      guard let token else {
        return AccessRefusal(
          .unauthenticated,
          "the access token was rotated or removed; use its new text"
        )
      }
      return over(token, at: now)
    }
  }
}

extension Principal.Credential {
  fileprivate var hash: Digest? {
    if case .token(let hash) = self { hash } else { nil }
  }
}
