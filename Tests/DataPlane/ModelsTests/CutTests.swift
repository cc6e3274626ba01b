import Foundation
import NIOCore
import NIOHTTP1
import Support
import Testing

@testable import Models

/// An answer that breaks off anywhere is never taken for one that did not.
@Suite struct `Cut answers` {
  static let answers = [
    VendorAnswer(["Hel", "lo ", "नमस्ते"], thought: ("hm, hm", "c2ln")),
    VendorAnswer(
      ["So."],
      calls: [`Every vendor`.call, `Every vendor`.second],
      thought: ("hm", "c2ln")
    ),
    VendorAnswer(["I will not."], stop: .refused),
    VendorAnswer(["no counts"], usage: nil),
  ]

  /// What comes of the first bytes of a body, however its connection ended.
  private func outcome(
    _ dialect: some ModelDialect,
    _ bytes: ArraySlice<UInt8>,
    type: String,
    end: HTTPExchange.End
  ) async throws -> (result: Result<ModelAnswer, ModelFailure>, handedOut: String) {
    var call = StreamedCall(dialect, Requests.make(model: "model-1"))
    let deadline = ProgressDeadline(first: .seconds(9), total: .seconds(9), step: .seconds(1))
    var handedOut = ""
    do {
      let head = HTTPHeaders([("content-type", type)])
      var isWhole = try await call.receive(.head(status: 200, headers: head), deadline) { _ in }
      if !isWhole {
        isWhole = try await call.receive(.bytes(ByteBuffer(bytes: bytes)), deadline) {
          handedOut += $0
        }
      }
      if !isWhole, end == .complete {
        _ = try await call.receive(.end, deadline) { handedOut += $0 }
      }
      return (.success(try call.finish(end)), handedOut)
    } catch let failure as ModelFailure {
      return (.failure(failure), handedOut)
    }
  }

  private func check(_ dialect: some ModelDialect, _ vendor: Vendor) async throws {
    for answer in Self.answers {
      for (body, type) in [
        (answer.stream(of: vendor), "text/event-stream"),
        (answer.whole(of: vendor), "application/json"),
      ] {
        let bytes = Array(body.utf8)
        let text = answer.texts.joined()
        let whole = try await outcome(dialect, bytes[...], type: type, end: .complete)
        for cut in 0 ..< bytes.count {
          for end in [HTTPExchange.End.broken, .complete, .timedOut] {
            let (result, handedOut) = try await outcome(
              dialect,
              bytes[..<cut],
              type: type,
              end: end
            )
            #expect(text.hasPrefix(handedOut))
            switch result {
            case .success(let got):
              // Only counts were missing.
              let complete = try whole.result.get()
              #expect(got.text == complete.text && got.calls == complete.calls, "at \(cut)")
              #expect(got.stop == complete.stop && got.replay == complete.replay, "at \(cut)")
            case .failure(let failure):
              #expect(failure.afterOutput == !handedOut.isEmpty, "at \(cut)")
              #expect(
                failure.usage.outVisible >= TokenEstimator.tokens(handedOut)
                  || failure.usage.source == .provider,
                "at \(cut)"
              )
            }
          }
        }
      }
    }
  }

  @Test(arguments: Vendor.allCases)
  func `at every byte, whatever ended the connection`(vendor: Vendor) async throws {
    switch vendor {
    case .anthropic: try await check(AnthropicDialect(), vendor)
    case .google: try await check(GeminiDialect(), vendor)
    case .sarvam: try await check(ChatDialect.sarvam(), vendor)
    case .openAI: try await check(ChatDialect.openAI(), vendor)
    }
  }

  /// A body whose end is the connection's, so that nothing but its content tells that it was cut.
  @Test(arguments: Vendor.allCases)
  func `over sockets each cut call is failed or whole, and accounted for`(
    vendor: Vendor
  ) async throws {
    let answer = VendorAnswer(["Hel", "lo"])
    let bytes = Array(answer.stream(of: vendor).utf8)
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
    for cut in stride(from: 0, through: bytes.count, by: 11) {
      let text = String(decoding: bytes[..<cut], as: UTF8.self)
      let steps: [ScriptedServer.Step] = [.bytes(head + text)]
      let call = try await `Every vendor`.run(vendor, steps)
      switch call.result {
      case .success(let got): #expect(got.text == "Hello", "at \(cut)")
      case .failure(let failure):
        #expect(failure.kind == .cut, "at \(cut): \(failure.kind)")
        #expect("Hello".hasPrefix(call.pieces.joined()))
        #expect(failure.usage.tokensIn > 0, "what was sent is billed")
      }
    }
  }
}
