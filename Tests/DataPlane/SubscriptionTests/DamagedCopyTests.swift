import Domain
import Foundation
import Logging
import SwiftProtobuf
import Testing
import Wire
import WireMapping

@testable import Subscription

/// What a node finds on its disk may be anything. It never serves what it did not write.
@Suite struct DamagedCopyTests {
  private let fixture = CopyFixture()
  private let logger = Logger(label: "damaged-copy-tests")

  private func image(_ revision: Int64, persona: String) throws -> ConfigImage {
    ConfigImage().applying(try fixture.batch(revision, persona: persona)).image
  }

  /// A folder with the copy of revision 2, and that of revision 1 as the one before.
  private func with(
    _ body: (_ directory: String, _ copy: DiskCopy) async throws -> Void
  ) async throws {
    let directory = FileManager.default.temporaryDirectory.appending(path: "copy-\(UUID())").path()
    let copy = try DiskCopy(directory: directory, program: "1")
    try await copy.write(image(1, persona: "one"))
    try await copy.write(image(2, persona: "two"))
    try await body(directory, copy)
    try await copy.close()
    try FileManager.default.removeItem(atPath: directory)
  }

  /// What the node serves of it.
  private func persona(_ found: DiskCopy.Found?) -> String? {
    found?.image.binding(fixture.binding)?.human.prompt
  }

  /// The copy before is found, and something is told about the newest.
  private func expectPrevious(_ copy: DiskCopy, _ what: String) async throws {
    let (found, faults) = try await copy.readConfiguration()
    #expect(found?.image.revision == Revision(1), "\(what)")
    #expect(persona(found) == "one", "\(what)")
    #expect(faults.count == 1, "\(what)")
  }

  @Test func `a whole copy serves the binding with its sections and routes`() async throws {
    try await with { _, copy in
      let (found, faults) = try await copy.readConfiguration()
      #expect(faults.isEmpty)
      #expect(persona(found) == "two")
      #expect(
        found?.image.route(channel: "web", key: "shop.example")?.bindingID == fixture.binding
      )
      #expect(found?.writtenAt.map { abs($0.timeIntervalSinceNow) < 600 } == true)
    }
  }

  @Test func `each byte that is another one is noticed`() async throws {
    try await with { directory, copy in
      let path = "\(directory)/configuration"
      let whole = try Data(contentsOf: URL(filePath: path))
      #expect(whole.count > 2_000)
      let file = try FileHandle(forUpdating: URL(filePath: path))
      for place in whole.indices {
        for damage in [UInt8(1) << UInt8(place % 8), 0xFF] {
          try file.seek(toOffset: UInt64(place))
          try file.write(contentsOf: [whole[place] ^ damage])
          try await expectPrevious(copy, "byte \(place) ^ \(damage)")
        }
        try file.seek(toOffset: UInt64(place))
        try file.write(contentsOf: [whole[place]])
      }
      try file.close()
      // The test itself leaves it as it was.
      #expect(try await copy.readConfiguration().found?.image.revision == Revision(2))
    }
  }

  @Test func `it is noticed at every length that it is cut to, and with bytes too many`()
    async throws
  {
    try await with { directory, copy in
      let file = URL(filePath: "\(directory)/configuration")
      let whole = try Data(contentsOf: file)
      for length in 0 ..< whole.count {
        try whole.prefix(length).write(to: file)
        try await expectPrevious(copy, "\(length) bytes of \(whole.count)")
      }
      try (whole + [0]).write(to: file)
      try await expectPrevious(copy, "a byte too many")
    }
  }

  /// A file as some program would write it: its digest fits.
  private func sealed(_ content: Data, format: String = "bndconf1") -> Data {
    Data(format.utf8) + Digest(of: content).data + content
  }

  private static let strange: [(String, String, [UInt8])] = [
    ("of an old format", "bndconf0", [0, 0, 0, 0]), ("of a format to come", "bndconf2", [1]),
    ("of another file", "bndswch1", Array("{}".utf8)), ("without content", "bndconf1", []),
    ("of zeros", "bndconf1", Array(repeating: 0, count: 100)),
    ("with a header that is no message", "bndconf1", [3, 0, 0, 0, 0xFF, 0xFF, 0xFF]),
    ("with a length beyond its end", "bndconf1", [255, 255, 255, 255, 1]),
    ("without a store", "bndconf1", [2, 0, 0, 0, 8, 5]),
  ]

  @Test(arguments: strange)
  func `a copy that no reader can use gives way to the one before, though its digest fits`(
    what: String,
    format: String,
    content: [UInt8]
  ) async throws {
    try await with { directory, copy in
      let file = URL(filePath: "\(directory)/configuration")
      try sealed(Data(content), format: format).write(to: file)
      try await expectPrevious(copy, "a copy \(what)")
    }
  }

  @Test func `a file that can't be read gives way to the one before`() async throws {
    try await with { directory, copy in
      let path = "\(directory)/configuration"
      try FileManager.default.removeItem(atPath: path)
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
      try await expectPrevious(copy, "a folder")
      try FileManager.default.removeItem(atPath: path)
      // Nobody's fault: the rename had not happened yet.
      let (found, faults) = try await copy.readConfiguration()
      #expect(found?.image.revision == Revision(1))
      #expect(faults.isEmpty)
    }
  }

  @Test func `files that may not be read give way to the one before`() async throws {
    // The superuser may read everything.
    try await with { directory, copy in
      let path = "\(directory)/configuration"
      try FileManager.default.setAttributes([.posixPermissions: 0o000], ofItemAtPath: path)
      guard !FileManager.default.isReadableFile(atPath: path) else { return }
      try await expectPrevious(copy, "no permission")
    }
  }

  @Test func `what this program can't read of a copy is not taken for gone: it asks for all`()
    throws
  {
    let image = try image(7, persona: "x")
    let cursor = try #require(image.cursor)
    let known = try DiskCopy.encode(image, cursor, writtenBy: "1")
    #expect(try DiskCopy.decode(known, readBy: "1").resumable == cursor)
    // A tenant whose status is from a version to come.
    var changes = Bindery_V1_Changes()
    var tenant = Bindery_V1_Tenant()
    tenant.tenantID = TenantID(UUID()).data
    tenant.status = .UNRECOGNIZED(99)
    changes.tenants = [tenant]
    let part = try changes.serializedData()
    let length = withUnsafeBytes(of: UInt32(part.count).littleEndian) { Data($0) }
    let strange = try DiskCopy.decode(known + length + part, readBy: "1")
    #expect(strange.cursor == cursor)
    #expect(strange.resumable == nil)
    #expect(strange.binding(fixture.binding) != nil)
  }

  @Test func `with a full disk the copy stays as it was, the node goes on, and it is told`()
    async throws
  {
    try await with { directory, copy in
      let beside = "\(directory)/configuration.new"
      try FileManager.default.createSymbolicLink(
        atPath: beside,
        withDestinationPath: "/dev/full"
      )
      let next = try image(3, persona: "three")
      do {
        try await copy.write(next)
        Issue.record("a full disk took it")
      } catch let fault as SealedFile.Fault {
        #expect(fault.code == .io)
        #expect(fault.what.contains("errno \(ENOSPC)"))
      }
      let (found, faults) = try await copy.readConfiguration()
      #expect(faults.isEmpty)
      #expect(persona(found) == "two")
      // In memory the newest is served all the same.
      let cache = try await ConfigCache(copy: copy, logger: logger)
      _ = cache.apply(try fixture.batch(3, persona: "three")) { [] }
      let keeping = Task { await cache.keepCopy(interval: .milliseconds(1)) }
      while cache.status.copyFaults == 0 { await Task.yield() }
      #expect(cache.snapshot.binding(fixture.binding)?.human.prompt == "three")
      // There is room again.
      try FileManager.default.removeItem(atPath: beside)
      keeping.cancel()
      await keeping.value
      #expect(persona(try await copy.readConfiguration().found) == "three")
    }
  }

  @Test func `with both copies broken a node starts empty, and what comes is served and kept`()
    async throws
  {
    try await with { directory, copy in
      for name in ["configuration", "configuration.previous"] {
        try Data("bndconf1 nonsense".utf8).write(to: URL(filePath: "\(directory)/\(name)"))
      }
      let cache = try await ConfigCache(copy: copy, logger: logger)
      #expect(!cache.isLoaded)
      #expect(cache.status.age == nil)
      #expect(cache.status.copyFaults == 2)
      _ = cache.apply(try fixture.batch(9, persona: "live")) { [] }
      let keeping = Task { await cache.keepCopy(interval: .milliseconds(1)) }
      keeping.cancel()
      await keeping.value
      #expect(cache.snapshot.binding(fixture.binding)?.human.prompt == "live")
      #expect(persona(try await copy.readConfiguration().found) == "live")
    }
  }

  // MARK: - Switches

  private func pause(_ revision: Int64) -> SubscriptionMachine.Switch {
    .init(
      tenantID: fixture.tenant,
      revision: Revision(revision),
      status: .paused,
      incarnation: fixture.incarnation
    )
  }

  @Test func `a pause outlives any damage to one of its files, byte by byte and at every length`()
    async throws
  {
    try await with { directory, copy in
      let cache = try await ConfigCache(copy: copy, logger: logger)
      _ = cache.take(pause(3))
      try await cache.writeSwitches()
      for name in ["switches", "switches.mirror"] {
        let file = URL(filePath: "\(directory)/\(name)")
        let whole = try Data(contentsOf: file)
        var broken = whole.indices.map { place in
          var damaged = whole
          damaged[place] ^= UInt8(1) << UInt8(place % 8)
          return damaged
        }
        broken += (0 ..< whole.count).map { whole.prefix($0) }
        for content in broken {
          try content.write(to: file)
          let (table, faults) = try await copy.readSwitches()
          #expect(table[fixture.tenant]?.status == .paused)
          #expect(faults.count == (name == "switches" ? 1 : 0))
        }
        try whole.write(to: file)
      }
      try Data("nonsense".utf8).write(to: URL(filePath: "\(directory)/switches"))
      let next = try await ConfigCache(copy: copy, logger: logger)
      #expect(next.gate(fixture.tenant) == .paused(.hold, message: ["en": "Closed."]))
      // The start has found the damage, and mends it.
      try await next.writeSwitches()
      #expect(try await copy.readSwitches().faults.isEmpty)
    }
  }
}
