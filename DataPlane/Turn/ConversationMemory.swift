package import Domain
package import Foundation
internal import OrderedCollections
internal import Synchronization
package import Wire

/// What a node remembers of its recent conversations: to go on without the control plane, to show
/// history to a visitor, and never to answer an input twice. Bounded; the oldest are forgotten.
package final class ConversationMemory: Sendable {
  package struct Recollection: Sendable {
    package var session: Bindery_V1_SessionRecord
    /// Oldest first.
    package var messages: [Bindery_V1_MessageRecord]
  }

  private struct State {
    var conversations: OrderedDictionary<ConversationAddress, Recollection> = [:]
    var answered = RecentSet<Data>()
    var seen = RecentSet<SeenKey>()
  }

  private struct SeenKey: Hashable {
    var tenant: TenantID
    var account: String
    var message: String
  }

  private let state = Mutex(State())
  private let conversationLimit: Int
  private let messageLimit: Int
  private let inputLimit: Int

  package init(conversations: Int = 5_000, messages: Int = 40, inputs: Int = 100_000) {
    conversationLimit = conversations
    messageLimit = messages
    inputLimit = inputs
  }

  package func recall(_ address: ConversationAddress) -> Recollection? {
    state.withLock { $0.conversations[address] }
  }

  /// Replaces what is known by what the control plane says.
  package func learn(
    _ address: ConversationAddress,
    session: Bindery_V1_SessionRecord,
    history: [Bindery_V1_MessageRecord]
  ) {
    put(address, Recollection(session: session, messages: history))
  }

  /// Adds a turn's messages; those known already are passed over.
  package func add(
    _ address: ConversationAddress,
    session: Bindery_V1_SessionRecord,
    messages: [Bindery_V1_MessageRecord]
  ) {
    var recollection = recall(address) ?? Recollection(session: session, messages: [])
    if recollection.session.sessionID != session.sessionID { recollection.messages = [] }
    recollection.session = session
    let known = Set(recollection.messages.map(\.messageID))
    recollection.messages += messages.filter { !known.contains($0.messageID) }
    put(address, recollection)
  }

  private func put(_ address: ConversationAddress, _ recollection: Recollection) {
    var recollection = recollection
    recollection.messages = Array(recollection.messages.suffix(messageLimit))
    state.withLock {
      $0.conversations[address] = nil
      $0.conversations[address] = recollection
      if $0.conversations.count > conversationLimit { $0.conversations.removeFirst() }
    }
  }

  /// The record that answers this input is on disk.
  package func noteAnswered(_ inputID: Data) {
    state.withLock { $0.answered.insert(inputID, limit: inputLimit) }
  }

  package func isAnswered(_ inputID: Data) -> Bool {
    state.withLock { $0.answered.contains(inputID) }
  }

  /// The message is stored somewhere durable; a second delivery is a duplicate.
  package func noteSeen(tenant: TenantID, account: String, message: String) {
    let key = SeenKey(tenant: tenant, account: account, message: message)
    state.withLock { $0.seen.insert(key, limit: inputLimit) }
  }

  package func hasSeen(tenant: TenantID, account: String, message: String) -> Bool {
    let key = SeenKey(tenant: tenant, account: account, message: message)
    return state.withLock { $0.seen.contains(key) }
  }
}

/// The newest so many of a kind, in two generations: no order has to be kept for each.
private struct RecentSet<Element: Hashable> {
  private var young: Set<Element> = []
  private var old: Set<Element> = []

  func contains(_ element: Element) -> Bool { young.contains(element) || old.contains(element) }

  mutating func insert(_ element: Element, limit: Int) {
    young.insert(element)
    guard young.count * 2 > limit else { return }
    old = young
    young = []
  }
}
