import RawHTTP2

/// SplitMix64 (Steele, Lea and Flood 2014): the same numbers for the same seed.
package struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64

  package init(seed: UInt64) { state = seed }

  package mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }

  mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(max(bound, 1))) }
  mutating func byte() -> UInt8 { UInt8(truncatingIfNeeded: next()) }
}

/// A recorded session as frames, so that what is changed mostly still looks like HTTP/2.
package struct Recording: Sendable {
  var preface: [UInt8]
  var frames: [RawFrame]

  /// Takes apart what one side sent.
  package init(_ bytes: [UInt8]) {
    var rest = bytes[...]
    preface = rest.starts(with: RawHTTP2Peer.preface) ? RawHTTP2Peer.preface : []
    rest = rest.dropFirst(preface.count)
    frames = []
    while rest.count >= 9 {
      let head = rest.prefix(9).map { UInt32($0) }
      let length = Int(head[0] << 16 | head[1] << 8 | head[2])
      let stream = head[5] << 24 | head[6] << 16 | head[7] << 8 | head[8]
      let payload = rest.dropFirst(9).prefix(length)
      frames.append(
        RawFrame(UInt8(head[3]), flags: UInt8(head[4]), stream: stream, Array(payload))
      )
      rest = rest.dropFirst(9 + payload.count)
    }
  }

  package var bytes: [UInt8] { preface + frames.flatMap(\.bytes) }
}

/// Changes recordings: frames are dropped, doubled, moved, invented; heads and payloads altered;
/// bytes flipped, cut and inserted.
struct Mutator {
  let recordings: [Recording]

  func input(_ random: inout SeededGenerator) -> [UInt8] {
    var recording = recordings[random.below(recordings.count)]
    for _ in 0 ..< 1 + random.below(6) { change(&recording, &random) }
    if random.below(64) == 0 { recording.preface = [] }
    var bytes = recording.bytes
    if random.below(3) == 0 {
      for _ in 0 ..< 1 + random.below(4) { change(&bytes, &random) }
    }
    return bytes
  }

  private func change(_ recording: inout Recording, _ random: inout SeededGenerator) {
    let count = recording.frames.count
    let at = random.below(count)
    guard count > 0 else {
      recording.frames.append(invented(&random))
      return
    }
    switch random.below(11) {
    case 0: recording.frames.remove(at: at)
    case 1: recording.frames.insert(recording.frames[at], at: random.below(count))
    case 2: recording.frames.swapAt(at, random.below(count))
    case 3: recording.frames.insert(invented(&random), at: at)
    case 4:
      let other = recordings[random.below(recordings.count)].frames
      recording.frames.insert(contentsOf: other.prefix(random.below(other.count) + 1), at: at)
    case 5:
      let copies = Array(repeating: recording.frames[at], count: random.below(40))
      recording.frames.insert(contentsOf: copies, at: at)
    case 6: recording.frames[at].flags ^= 1 << UInt8(random.below(6))
    case 7: recording.frames[at].stream = UInt32(random.below(12))
    case 8: recording.frames[at].type = UInt8(random.below(11))
    case 9: recording.frames[at].claimedLength = random.below(20_000)
    default:
      for _ in 0 ..< 1 + random.below(3) { change(&recording.frames[at].payload, &random) }
    }
  }

  private func change(_ bytes: inout [UInt8], _ random: inout SeededGenerator) {
    let at = random.below(bytes.count + 1)
    switch random.below(4) {
    case 0 where at < bytes.count: bytes[at] ^= 1 << UInt8(random.below(8))
    case 1 where at < bytes.count: bytes[at] = random.byte()
    case 2: bytes.removeSubrange(at ..< min(bytes.count, at + random.below(8)))
    default: bytes.insert(contentsOf: (0 ..< random.below(8)).map { _ in random.byte() }, at: at)
    }
  }

  private func invented(_ random: inout SeededGenerator) -> RawFrame {
    let stream = UInt32(random.below(16))
    switch random.below(10) {
    case 0:
      return .data(stream, Array(repeating: 0, count: random.below(200)), flags: random.byte())
    case 1: return .headers(stream, flags: random.byte() | 4)
    case 2: return .priority(stream, dependsOn: UInt32(random.below(16)))
    case 3: return .reset(stream, code: UInt32(random.below(20)))
    case 4: return .settings([(UInt16(random.below(9)), UInt32(truncatingIfNeeded: random.next()))])
    case 5: return .ping(random.byte(), flags: UInt8(random.below(2)))
    case 6: return .goAway(UInt32(random.below(15)))
    case 7: return .windowUpdate(stream, UInt32(truncatingIfNeeded: random.next() >> 33))
    case 8: return .continuation(stream, RawFrame.field("a", "b"), flags: random.byte())
    default:
      let payload = (0 ..< random.below(60)).map { _ in random.byte() }
      return RawFrame(random.byte(), flags: random.byte(), stream: stream, payload)
    }
  }
}
