import Domain
import Foundation
import Subscription

/// A node's disk: what was synced stays, what was not is there or not after a crash.
struct Disk {
  private(set) var copy: Data?
  private(set) var switches = SwitchTable()
  private var copyUnderWay: Data?
  private var switchesUnderWay: SwitchTable?

  mutating func begin(copy: Data) { copyUnderWay = copy }

  mutating func begin(switches: SwitchTable) { switchesUnderWay = switches }

  mutating func finishCopy() {
    copy = copyUnderWay ?? copy
    copyUnderWay = nil
  }

  mutating func finishSwitches() {
    switches = switchesUnderWay ?? switches
    switchesUnderWay = nil
  }

  mutating func failSwitches() { switchesUnderWay = nil }

  /// What was under way may have reached the disk, one file as little as the other.
  mutating func crash(copyArrives: Bool, switchesArrive: Bool) {
    if copyArrives { finishCopy() }
    if switchesArrive { finishSwitches() }
    copyUnderWay = nil
    switchesUnderWay = nil
  }

  /// As read back: through the form that the file has.
  func readSwitches() throws -> SwitchTable {
    try JSONDecoder().decode(SwitchTable.self, from: JSONEncoder().encode(switches))
  }
}
