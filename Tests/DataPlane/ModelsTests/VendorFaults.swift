import Foundation
import Support

/// Errors as the vendors write them; their messages quote what nobody may see.
enum VendorFaults {
  static func body(_ vendor: Vendor) -> String {
    switch vendor {
    case .anthropic:
      #"{"type":"error","error":{"type":"overloaded_error","message":"quotes the prompt"},"#
        + #""request_id":"req_2"}"#
    case .google:
      #"{"error":{"code":503,"message":"quotes the prompt","status":"UNAVAILABLE"}}"#
    case .sarvam:
      #"{"error":{"message":"quotes the prompt","code":"internal_server_error"}}"#
    case .openAI:
      #"{"error":{"message":"quotes the prompt","type":"server_error","code":null,"param":null}}"#
    }
  }

  /// As an event after a 200.
  static func event(_ vendor: Vendor) -> String {
    vendor == .anthropic
      ? "event: error\ndata: \(body(vendor))\n\n" : "data: \(body(vendor))\n\n"
  }

  /// Where the default answer's first piece of text is out, and the second is not.
  static func middle(_ vendor: Vendor) -> String.Index {
    let text = VendorAnswer().stream(of: vendor)
    guard let piece = text.range(of: "Hel"), let end = text[piece.upperBound...].range(of: "\n\n")
    else {
      // Gemini ends its lines in CRLF.
      let piece = text.range(of: "Hel")?.upperBound ?? text.startIndex
      return text[piece...].range(of: "\r\n\r\n")?.upperBound ?? text.endIndex
    }
    return end.upperBound
  }
}
