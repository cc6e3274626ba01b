internal import GRPCCore
internal import HTTP2
internal import NIOCore

// A client's half of a call: request headers out; response headers, trailers in.
extension ConnectionHandler {
  func sendRequest(_ metadata: Metadata, on stream: CallStream) throws {
    guard case .client(let call) = stream.side, stream.id == 0 else {
      throw RPCError(code: .internalError, message: "request metadata is sent once")
    }
    guard context != nil, !isEnding else {
      throw refused(stream, RPCError(code: .unavailable, message: "the connection was lost"))
    }
    var headers = [
      HeaderField(":method", "POST"), HeaderField(":scheme", isPlaintext ? "http" : "https"),
      HeaderField(":path", call.path), HeaderField(":authority", call.authority),
      HeaderField("te", "trailers"), HeaderField("content-type", "application/grpc"),
      HeaderField("grpc-accept-encoding", MessageEncoding.accepted),
    ]
    if stream.compresses { headers.append(HeaderField("grpc-encoding", MessageEncoding.gzip)) }
    for value in metadata[stringValues: "grpc-timeout"].prefix(1) {
      headers.append(HeaderField("grpc-timeout", value))
    }
    do {
      stream.id = try session.request(headers + metadata.fields)
      streams[stream.id] = stream
      session.meter.callBegan()
    } catch let error as HTTP2Failure {
      setUsable(false)
      throw refused(
        stream,
        RPCError(code: .unavailable, message: error.message, cause: error)
      )
    }
  }

  /// Ends a call that never was on the connection, which therefore does not end it: its reader must
  /// learn why, and not that the call was given up.
  private func refused(_ stream: CallStream, _ error: RPCError) -> RPCError {
    close(stream, failure: error)
    return error
  }

  func receivedResponse(_ headers: [HeaderField], on stream: CallStream, endStream: Bool) {
    guard case .client(var call) = stream.side, !stream.isClosed else { return }
    defer { stream.side = .client(call) }
    if !call.receivedHeaders, let status = headers[":status"] {
      // An informational answer comes before the real one (RFC 9113 section 8.1).
      if status.hasPrefix("1") { return }
      call.receivedHeaders = true
      call.httpFailure = httpFailure(status: status, contentType: headers["content-type"])
      if !endStream {
        stream.decoder.isGzip = headers["grpc-encoding"] == MessageEncoding.gzip
        if call.httpFailure == nil { stream.deliver(.metadata(Metadata(fields: headers))) }
        return
      }
    }
    guard endStream else { return }
    if let status = Status(fields: headers) {
      if status.code == .ok, stream.decoder.isInsideMessage {
        close(
          stream,
          failure: RPCError(code: .internalError, message: "the answer ends inside a message")
        )
        return
      }
      stream.deliver(.status(status, Metadata(fields: headers)))
      stream.endInbound(.success(()))
      stream.failOutbound(RPCError(code: .unavailable, message: "the server ended the call"))
    } else {
      close(
        stream,
        failure: call.httpFailure
          ?? RPCError(code: .unknown, message: "the server ended the call without a status")
      )
    }
  }

  /// gRPC's doc/http-grpc-status-mapping.md.
  private func httpFailure(status: String, contentType: String?) -> RPCError? {
    if status == "200" {
      if let contentType, contentType.lowercased().hasPrefix("application/grpc") { return nil }
      return RPCError(
        code: .unknown,
        message: "the answer is no gRPC (content-type \(contentType ?? "missing"))"
      )
    }
    let code: RPCError.Code =
      switch status {
      case "400": .internalError
      case "401": .unauthenticated
      case "403": .permissionDenied
      case "404": .unimplemented
      case "429", "502", "503", "504": .unavailable
      default: .unknown
      }
    return RPCError(code: code, message: "the server answered with HTTP status \(status)")
  }
}
