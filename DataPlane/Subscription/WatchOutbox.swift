internal import Domain
internal import Wire

/// What a node has to tell on one stream. Bounded: newer news of the same thing takes the place of
/// older. What is acknowledged is on disk: each acknowledgement waits for a change of the switches to be
/// written.
struct WatchOutbox: Sendable {
  private var ack: (message: Bindery_V1_Ack, change: Int)?
  private var controls: [TenantID: (revision: Revision, change: Int)] = [:]
  private var status: Bindery_V1_NodeStatus?
  private var added: Set<BindingID> = []
  private var removed: Set<BindingID> = []
  private var sequence: Int64 = 0
  /// By which Subscribe a binding was added that was not dropped since.
  private var additions: [BindingID: Int64] = [:]

  mutating func acknowledge(
    _ revision: Revision,
    rejected: [Bindery_V1_Rejection],
    after change: Int
  ) {
    var message = ack?.message ?? Bindery_V1_Ack()
    message.revision = revision.value
    message.applied = true
    message.rejected += rejected
    ack = (message, change)
  }

  /// Tells of more that is refused, with what is acknowledged next if there is something.
  mutating func refuse(
    _ rejected: [Bindery_V1_Rejection],
    asOf revision: Revision,
    after change: Int
  ) {
    if ack == nil {
      acknowledge(revision, rejected: rejected, after: change)
    } else {
      ack?.message.rejected += rejected
    }
  }

  mutating func acknowledge(_ tenant: TenantID, _ switchRevision: Revision, after change: Int) {
    controls[tenant] = (switchRevision, change)
  }

  mutating func tell(_ status: Bindery_V1_NodeStatus) { self.status = status }

  mutating func subscribe(add: Set<BindingID> = [], remove: Set<BindingID> = []) {
    added = added.subtracting(remove).union(add)
    removed = removed.subtracting(add).union(remove)
    for id in remove { additions[id] = nil }
    // They go out with the next Subscribe.
    for id in add { additions[id] = sequence + 1 }
  }

  /// What was added by a later Subscribe than the one given.
  func subscribed(after sequence: Int64) -> Set<BindingID> {
    Set(additions.filter { $0.value > sequence }.keys)
  }

  func serves(_ id: BindingID) -> Bool { additions[id] != nil }

  /// What is to be written now, switches first, when so many changes are on disk.
  mutating func take(written: Int) -> [Bindery_V1_WatchRequest] {
    var messages: [Bindery_V1_WatchRequest.OneOf_Message] = []
    let ready = controls.filter { $0.value.change <= written }
    for (tenant, made) in ready.sorted(by: { $0.value.revision < $1.value.revision }) {
      var ack = Bindery_V1_Ack()
      ack.revision = made.revision.value
      ack.control.tenantID = tenant.data
      ack.control.switchRevision = made.revision.value
      messages.append(.ack(ack))
      controls[tenant] = nil
    }
    if !added.isEmpty || !removed.isEmpty {
      sequence += 1
      var subscribe = Bindery_V1_Subscribe()
      subscribe.add = added.map(\.data)
      subscribe.remove = removed.map(\.data)
      subscribe.subscribeSeq = sequence
      messages.append(.subscribe(subscribe))
      added = []
      removed = []
    }
    if let ack, ack.change <= written {
      messages.append(.ack(ack.message))
      self.ack = nil
    }
    if let status { messages.append(.status(status)) }
    status = nil
    return messages.map { message in
      var request = Bindery_V1_WatchRequest()
      request.message = message
      return request
    }
  }
}
