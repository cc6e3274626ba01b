import Support

/// Streams as the Messages API writes them.
enum Wire {
  static let start = event(
    "message_start",
    #"{"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","#
      + #""model":"claude-sonnet-5-5-20260901","content":[],"stop_reason":null,"usage":"#
      + #"{"input_tokens":25,"cache_creation_input_tokens":40,"cache_read_input_tokens":300,"#
      + #""cache_creation":{"ephemeral_5m_input_tokens":30,"ephemeral_1h_input_tokens":10},"#
      + #""output_tokens":1}}}"#
  )
  static let stop = event("message_stop", #"{"type":"message_stop"}"#)

  static func event(_ name: String, _ data: String) -> String {
    "event: \(name)\ndata: \(data)\n\n"
  }

  static func open(_ index: Int, _ block: String) -> String {
    event(
      "content_block_start",
      #"{"type":"content_block_start","index":\#(index),"content_block":\#(block)}"#
    )
  }

  static func delta(_ index: Int, _ delta: String) -> String {
    event(
      "content_block_delta",
      #"{"type":"content_block_delta","index":\#(index),"delta":\#(delta)}"#
    )
  }

  static func close(_ index: Int) -> String {
    event("content_block_stop", #"{"type":"content_block_stop","index":\#(index)}"#)
  }

  static func end(_ reason: String, tokens: Int) -> String {
    event(
      "message_delta",
      #"{"type":"message_delta","delta":{"stop_reason":"\#(reason)","stop_sequence":null},"#
        + #""usage":{"output_tokens":\#(tokens)}}"#
    )
  }

  static func text(_ index: Int, _ pieces: String...) -> String {
    open(index, #"{"type":"text","text":""}"#)
      + pieces.map { delta(index, #"{"type":"text_delta","text":"\#($0)"}"#) }.joined()
      + close(index)
  }

  static func stream(_ texts: String...) -> [ScriptedServer.Step] {
    [ScriptedServer.eventStream] + texts.map(ScriptedServer.chunk)
  }
}
