internal import DequeModule
package import Foundation
internal import OrderedCollections
internal import Synchronization
package import Wire

/// Messages that lie in the inbox and have no answer yet: handed to the control plane on its return.
package final class HeldInputs: Sendable {
  private let requests = Mutex<OrderedDictionary<Data, Bindery_V1_AcceptRequest>>([:])

  /// - Parameter left: what the inbox held when the node started.
  package init(_ left: [Bindery_V1_AcceptRequest] = []) {
    for request in left { add(request) }
  }

  package var count: Int { requests.withLock { $0.count } }

  package func add(_ request: Bindery_V1_AcceptRequest) {
    requests.withLock { $0[request.message.inputID] = request }
  }

  package func remove(_ inputID: Data) {
    requests.withLock { _ = $0.removeValue(forKey: inputID) }
  }

  /// The oldest first; a copy.
  package var all: [Bindery_V1_AcceptRequest] { requests.withLock { Array($0.values) } }
}
