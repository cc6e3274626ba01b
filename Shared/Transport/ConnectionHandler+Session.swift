internal import GRPCCore
internal import HTTP2
internal import NIOCore

extension ConnectionHandler: HTTP2SessionDelegate {
  func received(headers: [HeaderField], on id: Int32, endStream: Bool) {
    if let stream = streams[id] {
      switch stream.side {
      case .client: receivedResponse(headers, on: stream, endStream: endStream)
      // Trailers of a request carry nothing in gRPC.
      case .server: if endStream { receivedEnd(of: id) }
      }
    } else if session.role == .server {
      receivedRequest(headers, on: id, endStream: endStream)
    }
  }

  func received(data: UnsafeRawBufferPointer, on id: Int32) {
    guard let stream = streams[id], !stream.isClosed, stream.httpFailure == nil else {
      session.consume(data.count, on: id)
      return
    }
    do {
      try stream.receive(data)
    } catch {
      fail(stream, with: error)
    }
  }

  /// The peer sent what can't be taken: a server answers with a status, a client resets.
  func fail(_ stream: CallStream, with error: RPCError) {
    switch stream.side {
    case .server:
      stream.endInbound(.failure(error))
      sendFailure(Status(code: .init(error.code), message: error.message), on: stream)
      stream.cancelHandler()
    case .client:
      session.reset(stream.id, errorCode: HTTP2ErrorCode.cancel)
      close(stream, failure: error)
    }
    scheduleFlush()
  }

  func receivedEnd(of id: Int32) {
    guard let stream = streams[id] else { return }
    switch stream.side {
    case .server:
      if stream.decoder.isInsideMessage {
        fail(
          stream,
          with: RPCError(code: .internalError, message: "the request ends inside a message")
        )
      } else {
        stream.endInbound(.success(()))
      }
    case .client:
      close(
        stream,
        failure: stream.httpFailure
          ?? RPCError(code: .unknown, message: "the server ended the call without a status")
      )
    }
  }

  func sentEnd(of id: Int32) {
    guard session.role == .server, !session.peerHasEnded(id) else { return }
    // The answer is complete and the client need not send the rest (RFC 9113 section 8.1).
    session.reset(id, errorCode: HTTP2ErrorCode.noError)
  }

  func closed(stream id: Int32, errorCode: UInt32) {
    guard let stream = streams.removeValue(forKey: id) else { return }
    session.meter.callsEnded(1)
    if errorCode == HTTP2ErrorCode.noError, case .server(let call) = stream.side,
      stream.isOutboundFinished
    {
      stream.isClosed = true
      call.deadline?.cancel()
      stream.endInbound(.success(()))
      stream.failOutbound(RPCError(code: .unavailable, message: "the call is over"))
      return
    }
    if errorCode == HTTP2ErrorCode.noError, case .client = stream.side,
      case .success? = stream.inboundEnd
    {
      stream.isClosed = true
      stream.failOutbound(RPCError(code: .unavailable, message: "the call is over"))
      return
    }
    close(stream, failure: stream.httpFailure ?? RPCError(resetCode: errorCode))
  }

  func drained(stream id: Int32) {
    streams[id]?.drained()
  }

  func receivedGoAway(lastStream: Int32, errorCode: UInt32, reason: [UInt8]) {
    guard session.role == .client else { return }
    if errorCode == HTTP2ErrorCode.enhanceYourCalm,
      reason.elementsEqual(AbuseCause.pings.explanation.utf8)
    {
      onTooManyPings?()
    }
    beginGracefulShutdown()
  }

  func receivedPing() {
    countPing()
  }

  func receivedPingAck() {
    finishShutdownPing()
    pingAnswered()
  }

  func receivedSettings() {
    if session.role == .client, !isDraining { setUsable(true) }
  }
}

extension RPCError {
  /// The gRPC status of a stream that was reset
  /// (gRPC's doc/PROTOCOL-HTTP2.md, "HTTP2 Transport Mapping", Errors).
  init(resetCode: UInt32) {
    let code: RPCError.Code =
      switch resetCode {
      case HTTP2ErrorCode.refusedStream: .unavailable
      case HTTP2ErrorCode.cancel: .cancelled
      case HTTP2ErrorCode.enhanceYourCalm: .resourceExhausted
      case HTTP2ErrorCode.inadequateSecurity: .permissionDenied
      default: .internalError
      }
    self.init(code: code, message: "the stream was reset by the peer (HTTP/2 code \(resetCode))")
  }
}
