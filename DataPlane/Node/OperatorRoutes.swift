internal import Channels
internal import Domain
internal import Foundation
internal import HTTPTypes
internal import Hummingbird
internal import NIOCore
internal import Spool
internal import Subscription
internal import Transport
internal import Turn

/// Liveness, readiness, metrics and status of a node.
struct OperatorRoutes: Sendable {
  let nodeID: String
  let cache: ConfigCache
  let spool: Spool
  let inbox: Inbox
  let held: HeldInputs
  let activity: TurnActivity
  let metrics: ChannelMetrics
  let transportMetrics: TransportMetrics

  func add(to router: Router<BasicRequestContext>) {
    // Liveness never depends on another service.
    router.get("/healthz") { _, _ in "ok\n" }
    router.get("/readyz") { _, _ in
      let faults = faults
      return Self.text(
        faults.isEmpty ? "ready\n\(staleness)" : faults.joined(separator: "\n") + "\n",
        status: faults.isEmpty ? .ok : .serviceUnavailable
      )
    }
    router.get("/metrics") { _, _ in Self.text(exposition) }
    router.get("/status") { _, _ in try status() }
  }

  /// Why no traffic should come here; empty when it may.
  private var faults: [String] {
    var faults: [String] = []
    if !cache.isLoaded { faults.append("no configuration yet: is a control plane reachable?") }
    if !spool.isAccepting { faults.append("the spool is full or broken") }
    if !inbox.isAccepting { faults.append("the inbox is full or broken") }
    return faults
  }

  /// A node serves what it has, with or without a control plane; this tells which.
  private var staleness: String {
    let now = cache.status
    guard !now.isConnected else { return "" }
    let age = now.age.map { "\(Self.milliseconds($0) / 1000) s old" } ?? "of unknown age"
    return "no control plane: revision \(now.revision) is served, \(age)\n"
  }

  private static func milliseconds(_ duration: Duration) -> Int64 {
    Int64(duration / .milliseconds(1))
  }

  private func status() throws -> Response {
    let now = cache.status
    let value: JSONValue = [
      "node_id": .string(nodeID), "version": .string(NodeDaemon.version),
      "revision": .int(now.revision.value), "newest_revision": .int(now.newestRevision.value),
      "connected": .bool(now.isConnected), "bindings": .int(Int64(now.bindingCount)),
      "rejections": .int(Int64(now.rejections.count)),
      "spool_depth": .int(Int64(spool.depth)), "inbox_held": .int(Int64(held.count)),
      "active_turns": .int(Int64(activity.active)), "ready": .bool(faults.isEmpty),
      "config_age_ms": now.age.map { .int(Self.milliseconds($0)) } ?? .null,
      "disk_copy_faults": .int(Int64(now.copyFaults)),
    ]
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys]
    return Response(
      status: .ok,
      headers: [.contentType: "application/json", .cacheControl: "no-store"],
      body: ResponseBody(byteBuffer: ByteBuffer(bytes: try encoder.encode(value)))
    )
  }

  // MARK: - Prometheus text format 0.0.4

  private var exposition: String {
    let now = cache.status
    var lines: [String] = []
    func gauge(_ name: String, _ help: String, _ value: Int) {
      lines += ["# HELP \(name) \(help)", "# TYPE \(name) gauge", "\(name) \(value)"]
    }
    gauge("bindery_revision", "Revision that is served.", Int(now.revision.value))
    gauge(
      "bindery_newest_revision",
      "Newest revision that was heard of.",
      Int(now.newestRevision.value)
    )
    gauge("bindery_connected", "Whether the watch is open and fresh.", now.isConnected ? 1 : 0)
    if let age = now.age {
      gauge(
        "bindery_config_age_seconds",
        "Since the lease was renewed; before the first, since the disk copy was written.",
        Int(Self.milliseconds(age) / 1000)
      )
    }
    gauge(
      "bindery_disk_copy_faults",
      "Damaged files found at the start, and writes that failed since.",
      now.copyFaults
    )
    gauge("bindery_bindings", "Bindings held.", now.bindingCount)
    gauge("bindery_rejections", "Resources refused by this node.", now.rejections.count)
    gauge("bindery_spool_depth", "Records on disk that are not committed.", spool.depth)
    gauge("bindery_inbox_held", "Messages on disk that wait for the control plane.", held.count)
    gauge("bindery_turns_active", "Turns under way.", activity.active)
    let ended = activity.ended
    if !ended.isEmpty {
      lines += [
        "# HELP bindery_turns_total Turns that ended.", "# TYPE bindery_turns_total counter",
      ]
      let rows = ended.map { label, count in
        #"bindery_turns_total{channel="\#(label.channel)",end="\#(label.end)","#
          + #"degraded="\#(label.isDegraded)"} \#(count)"#
      }
      lines += rows.sorted()
    }
    var named = ""
    for (name, count) in metrics.all {
      let metric = String(name.prefix { $0 != "{" })
      if metric != named { lines.append("# TYPE \(metric) counter") }
      named = metric
      lines.append("\(name) \(count)")
    }
    return lines.joined(separator: "\n") + "\n" + transportMetrics.exposition
  }

  private static func text(_ text: String, status: HTTPResponse.Status = .ok) -> Response {
    Response(
      status: status,
      headers: [.contentType: "text/plain; charset=utf-8"],
      body: ResponseBody(byteBuffer: ByteBuffer(string: text))
    )
  }
}
