internal import GRPCCore
internal import HTTP2
internal import NIOCore

// A server's half of a call: request headers in; response headers, trailers out.
extension ConnectionHandler {
  func receivedRequest(_ headers: [HeaderField], on id: Int32, endStream: Bool) {
    guard headers[":method"] == "POST" else {
      refuse(id, httpStatus: "405")
      return
    }
    guard let type = headers["content-type"], isGRPC(contentType: type) else {
      refuse(id, httpStatus: "415")
      return
    }
    let stream = CallStream(
      connection: self,
      side: .server(
        ServerCall(
          acceptsGzip: headers["grpc-accept-encoding"].map(MessageEncoding.acceptsGzip) ?? false
        )
      ),
      maxMessageBytes: maxMessageBytes
    )
    stream.id = id
    streams[id] = stream
    session.meter.callBegan()
    guard headers["te"] == "trailers" else {
      stream.endInbound(.success(()))
      sendFailure(
        Status(
          code: .invalidArgument,
          message: "te must be 'trailers'; a proxy on the way may not let them through"
        ),
        on: stream
      )
      return
    }
    if let encoding = headers["grpc-encoding"], encoding != MessageEncoding.identity {
      guard encoding == MessageEncoding.gzip else {
        stream.endInbound(.success(()))
        sendFailure(
          Status(code: .unimplemented, message: "grpc-encoding must be identity or gzip"),
          on: stream,
          adding: [HeaderField("grpc-accept-encoding", MessageEncoding.accepted)]
        )
        return
      }
      stream.decoder.isGzip = true
    }
    if let text = headers["grpc-timeout"] {
      guard let timeout = grpcTimeout(text) else {
        stream.endInbound(.success(()))
        sendFailure(
          Status(code: .internalError, message: "grpc-timeout is malformed"),
          on: stream
        )
        return
      }
      setDeadline(after: timeout, of: stream)
    }
    stream.deliver(.metadata(Metadata(fields: headers)))
    if endStream { stream.endInbound(.success(())) }
    onCall?(stream, headers[":path"] ?? "")
  }

  private func isGRPC(contentType: String) -> Bool {
    let type = contentType.lowercased()
    return type == "application/grpc" || type.hasPrefix("application/grpc+")
      || type.hasPrefix("application/grpc;")
  }

  private func refuse(_ id: Int32, httpStatus: String) {
    do {
      try session.respond([HeaderField(":status", httpStatus)], on: id, endStream: true)
    } catch {
      session.reset(id, errorCode: HTTP2ErrorCode.internalError)
    }
    scheduleFlush()
  }

  /// The transport's own timer; the handler learns of it by its cancellation handle.
  private func setDeadline(after timeout: Duration, of stream: CallStream) {
    guard let loop = context?.eventLoop, case .server(var call) = stream.side else { return }
    let bound = NIOLoopBound(stream, eventLoop: loop)
    call.deadline = loop.scheduleTask(in: TimeAmount(timeout)) {
      let stream = bound.value
      let connection = stream.connection
      guard !stream.isClosed, !stream.isOutboundFinished else { return }
      connection.fail(
        stream,
        with: RPCError(code: .deadlineExceeded, message: "the call's deadline passed")
      )
    }
    stream.side = .server(call)
  }

  func sendResponse(_ metadata: Metadata, on stream: CallStream) throws {
    guard case .server(let call) = stream.side, !stream.hasSentHeaders else {
      throw RPCError(code: .internalError, message: "response metadata is sent once")
    }
    stream.hasSentHeaders = true
    var headers = Self.responseHeaders
    if call.acceptsGzip, metadata.compression.map({ $0 == .gzip }) ?? compressesByDefault {
      stream.compresses = true
      headers += Self.compressedHeaders
    }
    try session.respond(headers + metadata.fields, on: stream.id, endStream: false)
  }

  /// Sends the status as trailers, or with nothing sent before as a trailers-only answer.
  func sendStatus(_ status: Status, _ metadata: Metadata, on stream: CallStream) throws {
    guard case .server(let call) = stream.side else { return }
    call.deadline?.cancel()
    stream.isOutboundFinished = true
    let trailers = status.fields + metadata.fields
    if stream.hasSentHeaders {
      session.finish(stream.id, trailers: trailers)
    } else {
      try session.respond(Self.responseHeaders + trailers, on: stream.id, endStream: true)
    }
  }

  /// Ends a call with a status although its handler may still run; what that writes is refused.
  func sendFailure(_ status: Status, on stream: CallStream, adding fields: [HeaderField] = []) {
    guard !stream.isOutboundFinished, case .server(let call) = stream.side else { return }
    do {
      if fields.isEmpty {
        try sendStatus(status, [:], on: stream)
      } else {
        call.deadline?.cancel()
        stream.isOutboundFinished = true
        try session.respond(
          Self.responseHeaders + fields + status.fields,
          on: stream.id,
          endStream: true
        )
      }
    } catch {
      session.reset(stream.id, errorCode: HTTP2ErrorCode.internalError)
    }
    stream.failOutbound(
      RPCError(code: .init(status.code) ?? .unknown, message: status.message)
    )
    scheduleFlush()
  }

  private static let responseHeaders = [
    HeaderField(":status", "200"), HeaderField("content-type", "application/grpc"),
  ]
  private static let compressedHeaders = [
    HeaderField("grpc-encoding", MessageEncoding.gzip),
    HeaderField("grpc-accept-encoding", MessageEncoding.accepted),
  ]
}
