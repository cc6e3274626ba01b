internal import CNGHTTP2
package import NIOCore

/// One end of an HTTP/2 connection, without a socket: bytes in, calls to the delegate out, and bytes
/// to send when asked for them.
///
/// Owns one `nghttp2_session`. Not thread-safe: it belongs to one event loop. Flow control is
/// manual: what arrives stays unconsumed on its stream until `consume`; the connection's window is
/// given back at once, so that one slow stream never stops the others.
package final class HTTP2Session {
  package enum Role: Sendable {
    case server
    case client
  }

  package let role: Role
  package let configuration: HTTP2Configuration
  /// Outlives the session's use. Not weak: that would cost every retain of the delegate a detour.
  package unowned var delegate: (any HTTP2SessionDelegate)?

  let raw: OpaquePointer
  private var bodies: [Int32: OutboundBody] = [:]
  /// The one of them that was asked for last: many a connection has one stream only.
  private var recent: (stream: Int32, body: OutboundBody)?
  /// Header fields of the block that is being received.
  var incoming: [HeaderField] = []
  var incomingSize = 0
  var headerCache = HeaderCache()
  /// What `pull` collects, and how much of it at most.
  var outgoing = ByteBuffer()
  var outgoingLimit = 0
  package let meter: TrafficMeter
  var guarding: PeerGuard
  /// Of a call, since `takeHasSent` was last asked.
  var hasSent = false
  /// All that `pull` ever gave.
  package private(set) var pulledBytes = 0
  /// What still arrives is not looked at.
  private var isGivenUp = false

  /// - Parameter meter: Of the event loop that the session belongs to.
  /// - Throws: `HTTP2Failure` when libnghttp2 has no memory.
  package init(
    role: Role,
    configuration: HTTP2Configuration = .init(),
    meter: TrafficMeter = .init()
  ) throws {
    self.role = role
    self.configuration = configuration
    self.meter = meter
    guarding = PeerGuard(role: role, limits: configuration.abuse, since: .now())
    var callbacks: OpaquePointer?
    var options: OpaquePointer?
    guard nghttp2_session_callbacks_new(&callbacks) == 0, nghttp2_option_new(&options) == 0 else {
      throw HTTP2Failure(.library, "out of memory")
    }
    defer {
      nghttp2_session_callbacks_del(callbacks)
      nghttp2_option_del(options)
    }
    Self.install(in: callbacks)
    nghttp2_option_set_no_auto_window_update(options, 1)
    nghttp2_option_set_max_send_header_block_length(options, 256 * 1024)
    // PeerGuard counts resets, with streams that end well to their credit; libnghttp2 counts them
    // without and would end busy connections.
    nghttp2_option_set_stream_reset_rate_limit(options, UInt64(UInt32.max), UInt64(UInt32.max))
    nghttp2_option_set_max_continuations(options, configuration.abuse.continuations)
    var session: OpaquePointer?
    let code =
      role == .server
      ? nghttp2_session_server_new2(&session, callbacks, nil, options)
      : nghttp2_session_client_new2(&session, callbacks, nil, options)
    guard code == 0, let session else {
      throw HTTP2Failure(nghttp2: code, doing: "making a session")
    }
    raw = session
    nghttp2_session_set_user_data(raw, Unmanaged.passUnretained(self).toOpaque())
    try submitSettings()
  }

  deinit { nghttp2_session_del(raw) }

  private func submitSettings() throws {
    var entries = [
      nghttp2_settings_entry(
        settings_id: Int32(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE.rawValue),
        value: UInt32(configuration.streamWindow)
      ),
      nghttp2_settings_entry(
        settings_id: Int32(NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE.rawValue),
        value: configuration.maxHeaderListSize
      ),
      nghttp2_settings_entry(
        settings_id: Int32(NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS.rawValue),
        value: configuration.maxConcurrentStreams
      ),
    ]
    if role == .client {
      entries.append(
        nghttp2_settings_entry(
          settings_id: Int32(NGHTTP2_SETTINGS_ENABLE_PUSH.rawValue),
          value: 0
        )
      )
    }
    try check(
      nghttp2_submit_settings(raw, UInt8(NGHTTP2_FLAG_NONE.rawValue), entries, entries.count),
      "submitting settings"
    )
    try check(
      nghttp2_session_set_local_window_size(
        raw,
        UInt8(NGHTTP2_FLAG_NONE.rawValue),
        0,
        configuration.connectionWindow
      ),
      "setting the connection's window"
    )
  }

  func check(_ code: Int32, _ action: String) throws {
    if code != 0 { throw HTTP2Failure(nghttp2: code, doing: action) }
  }

  // MARK: - Bytes in and out

  /// Takes what the socket delivered.
  ///
  /// - Throws: `HTTP2Failure` when the peer broke the protocol or asked too much: `giveUp`, send what
  ///   `pull` gives, then close.
  package func receive(
    _ bytes: UnsafeRawBufferPointer,
    now: () -> NIODeadline = NIODeadline.now
  ) throws {
    guard let start = bytes.baseAddress, !bytes.isEmpty, !isGivenUp else { return }
    meter.received(bytes.count)
    let (good, failure) = guarding.inspect(bytes, now: now)
    if good > 0 {
      let count = nghttp2_session_mem_recv(raw, start.assumingMemoryBound(to: UInt8.self), good)
      if count < 0 { throw HTTP2Failure(nghttp2: Int32(count), doing: "reading") }
    }
    if let failure { throw failure }
    if let abuse = guarding.budget.settle(now: now) { throw HTTP2Failure(abuse: abuse) }
    if nghttp2_session_get_outbound_queue_size(raw) > configuration.abuse.waitingFrames {
      throw HTTP2Failure(abuse: .unread)
    }
  }

  /// Appends frames to `buffer` until there are none or it holds `limit` bytes.
  ///
  /// - Returns: Whether there may be more.
  /// - Throws: `HTTP2Failure` when the session can't go on.
  package func pull(into buffer: inout ByteBuffer, limit: Int) throws -> Bool {
    swap(&outgoing, &buffer)
    outgoingLimit = limit
    let before = outgoing.readableBytes
    defer {
      let count = outgoing.readableBytes - before
      meter.sent(count)
      pulledBytes += count
      swap(&outgoing, &buffer)
    }
    while outgoing.readableBytes < limit {
      var pointer: UnsafePointer<UInt8>?
      // Frames of DATA come by `sendData`, in their order among the others.
      let count = nghttp2_session_mem_send(raw, &pointer)
      if count < 0 { throw HTTP2Failure(nghttp2: Int32(count), doing: "writing") }
      guard count > 0, let pointer else { return outgoing.readableBytes >= limit }
      outgoing.writeBytes(UnsafeRawBufferPointer(start: pointer, count: count))
    }
    return true
  }

  /// Whether `pull` would give something.
  package var wantsWrite: Bool { nghttp2_session_want_write(raw) != 0 }

  /// False once both sides are done, or the connection was given up: the socket is to be closed.
  package var isOpen: Bool {
    !isGivenUp && (nghttp2_session_want_read(raw) != 0 || nghttp2_session_want_write(raw) != 0)
  }

  /// The peer's first SETTINGS have come, with which its preface ends (RFC 9113 section 3.4).
  package var hasReceivedSettings: Bool { guarding.hasReceivedSettings }

  /// The number of the header block that has begun and not ended; nil when there is none.
  package var openHeaderBlock: Int? {
    guarding.isInsideHeaderBlock ? guarding.headerBlocks : nil
  }

  /// Whether DATA or HEADERS were sent since this was last asked.
  package func takeHasSent() -> Bool {
    defer { hasSent = false }
    return hasSent
  }

  /// Bytes that writers handed over and the peer has not taken.
  package var queuedBytes: Int { bodies.values.reduce(0) { $0 + $1.queuedBytes } }

  // MARK: - Streams

  /// Opens a stream with a request; its body follows by `send` and `finish`.
  ///
  /// - Throws: `HTTP2Failure` with `noMoreStreams` when the connection takes no more.
  package func request(_ headers: [HeaderField]) throws -> Int32 {
    var provider = Self.provider
    let stream = headers.withNameValues { nghttp2_submit_request(raw, nil, $0, $1, &provider, nil) }
    if stream < 0 { throw HTTP2Failure(nghttp2: stream, doing: "opening a stream") }
    open(stream)
    guarding.budget.earnStream()
    return stream
  }

  /// Answers a request; unless `endStream`, the body follows by `send` and `finish`.
  package func respond(_ headers: [HeaderField], on stream: Int32, endStream: Bool) throws {
    var provider = Self.provider
    let code = headers.withNameValues { values, count in
      endStream
        ? nghttp2_submit_response(raw, stream, values, count, nil)
        : nghttp2_submit_response(raw, stream, values, count, &provider)
    }
    try check(code, "answering on stream \(stream)")
    if !endStream { open(stream) }
  }

  /// Queues body bytes. Returns false when the writer should wait for `drained`.
  ///
  /// Nothing is queued on a stream that is gone.
  @discardableResult
  package func send(_ bytes: ByteBuffer, prefix: BodyPrefix? = nil, on stream: Int32) -> Bool {
    guard let body = body(of: stream) else { return true }
    body.append(bytes, prefix: prefix)
    resume(body, of: stream)
    guard body.queuedBytes > configuration.highWater else { return true }
    if !body.isAboveHighWater { meter.stalled() }
    body.isAboveHighWater = true
    return false
  }

  /// Ends our side, with trailers when given.
  package func finish(_ stream: Int32, trailers: [HeaderField]? = nil) {
    guard let body = body(of: stream), !body.isFinished else { return }
    body.finish(trailers: trailers)
    resume(body, of: stream)
  }

  private func resume(_ body: OutboundBody, of stream: Int32) {
    guard body.isDeferred else { return }
    body.isDeferred = false
    // The stream may be gone already; then there is nothing to resume.
    _ = nghttp2_session_resume_data(raw, stream)
  }

  private func open(_ stream: Int32) {
    bodies[stream] = OutboundBody()
  }

  func body(of stream: Int32) -> OutboundBody? {
    if let recent, recent.stream == stream { return recent.body }
    guard let body = bodies[stream] else { return nil }
    recent = (stream, body)
    return body
  }

  func forgetBody(of stream: Int32) {
    if recent?.stream == stream { recent = nil }
    bodies[stream] = nil
  }

  /// Ends the stream at once, both ways (RST_STREAM).
  package func reset(_ stream: Int32, errorCode: UInt32) {
    // Fails only without memory, and then the connection does at its next write.
    _ = nghttp2_submit_rst_stream(raw, UInt8(NGHTTP2_FLAG_NONE.rawValue), stream, errorCode)
  }

  /// Whether the peer has ended its side of the stream, or the stream is gone.
  package func peerHasEnded(_ stream: Int32) -> Bool {
    nghttp2_session_get_stream_remote_close(raw, stream) != 0
  }

  /// Lets the peer send `count` more bytes on the stream.
  package func consume(_ count: Int, on stream: Int32) {
    guard count > 0 else { return }
    // A stream that is gone has no window; nothing to do then.
    _ = nghttp2_session_consume_stream(raw, stream, count)
  }

  // MARK: - Connection

  /// First of the two steps of a graceful end: asks for no new streams (RFC 9113 section 6.8).
  package func announceShutdown() throws {
    try check(nghttp2_submit_shutdown_notice(raw), "announcing the shutdown")
  }

  /// Second step, a round trip later: names the last stream that is served.
  package func refuseNewStreams() throws {
    try check(
      nghttp2_submit_goaway(
        raw,
        UInt8(NGHTTP2_FLAG_NONE.rawValue),
        nghttp2_session_get_last_proc_stream_id(raw),
        HTTP2ErrorCode.noError,
        nil,
        0
      ),
      "refusing new streams"
    )
  }

  /// Ends the connection: GOAWAY, then nothing.
  package func terminate(errorCode: UInt32 = HTTP2ErrorCode.noError) {
    // Fails only without memory; the caller closes the socket in any case.
    _ = nghttp2_session_terminate_session(raw, errorCode)
  }

  /// Ends the connection over a failure: tells the peer why, looks at nothing more.
  package func giveUp(_ failure: HTTP2Failure) {
    guard !isGivenUp else { return }
    isGivenUp = true
    let reason = Array(failure.message.utf8)
    // After a GOAWAY of libnghttp2's own, or without memory, this fails; the caller closes anyway.
    _ = nghttp2_submit_goaway(
      raw,
      UInt8(NGHTTP2_FLAG_NONE.rawValue),
      nghttp2_session_get_last_proc_stream_id(raw),
      failure.errorCode,
      reason,
      reason.count
    )
  }

  /// The highest id of a stream that the peer opened, or on a client that was opened; 0 for none.
  package var lastStream: Int32 {
    role == .server
      ? nghttp2_session_get_last_proc_stream_id(raw)
      : Int32(clamping: nghttp2_session_get_next_stream_id(raw)) - 2
  }

  package func ping() throws {
    try check(nghttp2_submit_ping(raw, UInt8(NGHTTP2_FLAG_NONE.rawValue), nil), "sending a ping")
  }
}
