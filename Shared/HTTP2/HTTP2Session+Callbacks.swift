internal import CNGHTTP2
internal import NIOCore

// What libnghttp2 calls. The closures capture nothing: the session comes by its user data, which is
// unretained, since the session owns the C object.
extension HTTP2Session {
  /// A body is found by its stream's id.
  static let provider = nghttp2_data_provider(
    source: nghttp2_data_source(ptr: nil),
    read_callback: { _, stream, _, capacity, flags, _, context in
      guard let session = HTTP2Session.from(context), let flags else {
        return Int(NGHTTP2_ERR_CALLBACK_FAILURE.rawValue)
      }
      return session.nextLength(of: stream, atMost: capacity, flags: flags)
    }
  )

  static func install(in callbacks: OpaquePointer?) {
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks) { _, _, context in
      guard let session = HTTP2Session.from(context) else { return 0 }
      session.incoming.removeAll(keepingCapacity: true)
      session.incomingSize = 0
      return 0
    }
    nghttp2_session_callbacks_set_on_header_callback2(callbacks) {
      _,
      frame,
      name,
      value,
      _,
      context in
      guard let session = HTTP2Session.from(context), let frame, let name, let value else {
        return 0
      }
      return session.append(name, value, to: frame.pointee.hd.stream_id)
    }
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks) { _, frame, context in
      guard let frame else { return 0 }
      HTTP2Session.from(context)?.received(frame.pointee)
      return 0
    }
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks) { _, frame, context in
      guard let frame, let session = HTTP2Session.from(context) else { return 0 }
      session.noteSent(frame)
      let header = frame.pointee.hd
      let type = UInt32(header.type)
      if type == NGHTTP2_DATA.rawValue || type == NGHTTP2_HEADERS.rawValue,
        header.flags & UInt8(NGHTTP2_FLAG_END_STREAM.rawValue) != 0
      {
        session.delegate?.sentEnd(of: header.stream_id)
      }
      return 0
    }
    nghttp2_session_callbacks_set_on_frame_not_send_callback(callbacks) { _, frame, _, context in
      guard let frame, nghttp2_frame_type(UInt32(frame.pointee.hd.type)) == NGHTTP2_HEADERS else {
        return 0
      }
      // A block of fields beyond libnghttp2's limit: without its end the peer would wait for ever.
      HTTP2Session.from(context)?.reset(
        frame.pointee.hd.stream_id,
        errorCode: HTTP2ErrorCode.internalError
      )
      return 0
    }
    nghttp2_session_callbacks_set_send_data_callback(callbacks) {
      _,
      frame,
      header,
      length,
      _,
      context in
      guard let session = HTTP2Session.from(context), let frame, let header else {
        return Int32(NGHTTP2_ERR_CALLBACK_FAILURE.rawValue)
      }
      return session.sendData(of: frame.pointee.hd.stream_id, header, length: length)
    }
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks) {
      raw,
      _,
      stream,
      data,
      length,
      context in
      // The connection's window never waits for a slow stream.
      _ = nghttp2_session_consume_connection(raw, length)
      HTTP2Session.from(context)?.delegate?.received(
        data: UnsafeRawBufferPointer(start: data, count: length),
        on: stream
      )
      return 0
    }
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks) {
      _,
      stream,
      errorCode,
      context in
      guard let session = HTTP2Session.from(context) else { return 0 }
      session.forgetBody(of: stream)
      if errorCode == HTTP2ErrorCode.noError { session.guarding.budget.earnEnd() }
      session.delegate?.closed(stream: stream, errorCode: errorCode)
      return 0
    }
  }

  private static func from(_ context: UnsafeMutableRawPointer?) -> HTTP2Session? {
    context.map { Unmanaged<HTTP2Session>.fromOpaque($0).takeUnretainedValue() }
  }

  private func append(
    _ name: OpaquePointer,
    _ value: OpaquePointer,
    to stream: Int32
  ) -> Int32 {
    let field = headerCache.field(name, value)
    // RFC 9113 section 6.5.2: a field counts its octets and 32 more.
    incomingSize += field.name.utf8.count + field.value.utf8.count + 32
    guard incomingSize <= Int(configuration.maxHeaderListSize) else {
      guarding.budget.oweLongHeaderList()
      return Int32(NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE.rawValue)
    }
    incoming.append(field)
    return 0
  }

  private func received(_ frame: nghttp2_frame) {
    let end = frame.hd.flags & UInt8(NGHTTP2_FLAG_END_STREAM.rawValue) != 0
    switch nghttp2_frame_type(UInt32(frame.hd.type)) {
    case NGHTTP2_HEADERS:
      guarding.budget.oweHeaders(incomingSize)
      delegate?.received(headers: incoming, on: frame.hd.stream_id, endStream: end)
    case NGHTTP2_DATA:
      if end { delegate?.receivedEnd(of: frame.hd.stream_id) }
    case NGHTTP2_RST_STREAM: meter.receivedReset(frame.rst_stream.error_code)
    case NGHTTP2_GOAWAY:
      delegate?.receivedGoAway(
        lastStream: frame.goaway.last_stream_id,
        errorCode: frame.goaway.error_code,
        reason: frame.goaway.opaque_data.map {
          Array(UnsafeBufferPointer(start: $0, count: min(frame.goaway.opaque_data_len, 64)))
        } ?? []
      )
    case NGHTTP2_PING:
      if frame.hd.flags & UInt8(NGHTTP2_FLAG_ACK.rawValue) != 0 {
        delegate?.receivedPingAck()
      } else {
        delegate?.receivedPing()
      }
    case NGHTTP2_SETTINGS:
      if frame.hd.flags & UInt8(NGHTTP2_FLAG_ACK.rawValue) == 0 { delegate?.receivedSettings() }
    default: break
    }
  }

  /// Codes of resets over what the peer did, not over what our side wants.
  private func isProvoked(_ code: UInt32) -> Bool {
    switch code {
    case HTTP2ErrorCode.noError, HTTP2ErrorCode.internalError, HTTP2ErrorCode.cancel: false
    default: true
    }
  }

  private func noteSent(_ frame: UnsafePointer<nghttp2_frame>) {
    switch nghttp2_frame_type(UInt32(frame.pointee.hd.type)) {
    case NGHTTP2_DATA:
      hasSent = true
      guarding.budget.earnData()
    case NGHTTP2_HEADERS: hasSent = true
    case NGHTTP2_RST_STREAM:
      let code = frame.pointee.rst_stream.error_code
      meter.sentReset(code)
      // Counted here since libnghttp2 reports not every stream that it resets (content-length); resets
      // that can't be sent count as frames that wait.
      if isProvoked(code) { guarding.budget.oweReset() }
      // RFC 9113 section 6.9.2 wants more where SETTINGS overflowed the window, and section 5.4.1 lets
      // any error of a stream be one of the connection.
      if code == HTTP2ErrorCode.flowControlError {
        giveUp(HTTP2Failure(.protocolViolation, "a stream's window overflowed", errorCode: code))
      }
    case NGHTTP2_GOAWAY:
      let code = frame.pointee.goaway.error_code
      if code != HTTP2ErrorCode.noError, code != HTTP2ErrorCode.enhanceYourCalm {
        meter.violated()
      }
    default: break
    }
  }

  /// How long the stream's next DATA frame is; `sendData` follows with its content.
  private func nextLength(
    of stream: Int32,
    atMost capacity: Int,
    flags: UnsafeMutablePointer<UInt32>
  ) -> Int {
    guard let body = body(of: stream) else {
      return Int(NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE.rawValue)
    }
    let queued = body.queuedBytes
    let length = min(queued, capacity)
    if body.isFinished, length == queued {
      flags.pointee |= NGHTTP2_DATA_FLAG_EOF.rawValue
      if let trailers = body.trailers {
        flags.pointee |= NGHTTP2_DATA_FLAG_NO_END_STREAM.rawValue
        let code = trailers.withNameValues { nghttp2_submit_trailer(raw, stream, $0, $1) }
        if code != 0 { return Int(NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE.rawValue) }
      }
    } else if length == 0 {
      body.isDeferred = true
      return Int(NGHTTP2_ERR_DEFERRED.rawValue)
    }
    flags.pointee |= NGHTTP2_DATA_FLAG_NO_COPY.rawValue
    return length
  }

  /// Appends a whole DATA frame to what `pull` collects: its 9 bytes of header, then the content.
  private func sendData(of stream: Int32, _ header: UnsafePointer<UInt8>, length: Int) -> Int32 {
    // Asked again by the next `pull`.
    guard outgoing.readableBytes < outgoingLimit else {
      return Int32(NGHTTP2_ERR_WOULDBLOCK.rawValue)
    }
    guard let body = body(of: stream) else {
      return Int32(NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE.rawValue)
    }
    let headerLength = 9
    outgoing.writeWithUnsafeMutableBytes(minimumWritableBytes: headerLength + length) { target in
      target.copyMemory(from: UnsafeRawBufferPointer(start: header, count: headerLength))
      let content = target[headerLength ..< headerLength + length]
      return headerLength
        + body.read(into: UnsafeMutableRawBufferPointer(rebasing: content))
    }
    if body.isAboveHighWater,
      body.queuedBytes < configuration.lowWater
    {
      body.isAboveHighWater = false
      delegate?.drained(stream: stream)
    }
    return 0
  }
}

extension [HeaderField] {
  /// Calls `body` with the fields as libnghttp2 wants them; it copies what it keeps.
  func withNameValues(_ body: (UnsafePointer<nghttp2_nv>?, Int) -> Int32) -> Int32 {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(reduce(0) { $0 + $1.name.utf8.count + $1.value.utf8.count })
    for field in self {
      bytes.append(contentsOf: field.name.utf8)
      bytes.append(contentsOf: field.value.utf8)
    }
    return bytes.withUnsafeMutableBufferPointer { buffer in
      guard var cursor = buffer.baseAddress else { return body(nil, 0) }
      var values: [nghttp2_nv] = []
      values.reserveCapacity(count)
      for field in self {
        let (name, value) = (field.name.utf8.count, field.value.utf8.count)
        values.append(
          nghttp2_nv(
            name: cursor,
            value: cursor + name,
            namelen: name,
            valuelen: value,
            flags: UInt8(NGHTTP2_NV_FLAG_NONE.rawValue)
          )
        )
        cursor += name + value
      }
      return body(values, values.count)
    }
  }
}
