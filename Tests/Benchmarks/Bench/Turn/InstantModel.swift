internal import ArgumentParser
internal import Foundation
internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix

/// A model vendor that answers at once, always the same, in Anthropic's streaming format. It costs as
/// little as an HTTP server can, so that what is measured is the node.
struct InstantModel: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "model",
    abstract: "Answer every call at once with a canned stream (started by 'turn').",
    shouldDisplay: false
  )

  @Option var port: Int

  func run() async throws {
    let answer = ByteBuffer(string: Self.stream)
    let server = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
      .serverChannelOption(.backlog, value: 1024)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.configureHTTPServerPipeline()
          try channel.pipeline.syncOperations.addHandler(CannedAnswer(answer))
        }
      }
      .bind(host: "127.0.0.1", port: port)
      .get()
    FileHandle.standardOutput.write(Data("ready on 127.0.0.1:\(port)\n".utf8))
    try await server.closeFuture.get()
  }

  static let stream: String = {
    let events = [
      (
        "message_start",
        #"{"type":"message_start","message":{"id":"msg_bench","type":"message","role":"assistant","model":"claude-haiku-5-5","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":120,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":1}}}"#
      ),
      (
        "content_block_start",
        #"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#
      ),
    ]
    let pieces = ["This is the answer", " of a model that", " takes no time", " at all."]
    let deltas = pieces.map {
      (
        "content_block_delta",
        #"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"\#($0)"}}"#
      )
    }
    let end = [
      ("content_block_stop", #"{"type":"content_block_stop","index":0}"#),
      (
        "message_delta",
        #"{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":14}}"#
      ),
      ("message_stop", #"{"type":"message_stop"}"#),
    ]
    return (events + deltas + end).map { "event: \($0)\ndata: \($1)\n\n" }.joined()
  }()
}

private final class CannedAnswer: ChannelInboundHandler {
  typealias InboundIn = HTTPServerRequestPart
  typealias OutboundOut = HTTPServerResponsePart

  private let answer: ByteBuffer

  init(_ answer: ByteBuffer) { self.answer = answer }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    guard case .end = unwrapInboundIn(data) else { return }
    let head = HTTPResponseHead(
      version: .http1_1,
      status: .ok,
      headers: [
        "content-type": "text/event-stream", "content-length": "\(answer.readableBytes)",
      ]
    )
    context.write(wrapOutboundOut(.head(head)), promise: nil)
    context.write(wrapOutboundOut(.body(.byteBuffer(answer))), promise: nil)
    context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
  }
}
