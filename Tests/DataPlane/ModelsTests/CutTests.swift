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

  private typealias Outcome = Result<ModelAnswer, ModelFailure>

  /// What comes of a call whose connection ends now; calls are values, so that it can end in many ways.
  private func outcome(
    _ call: StreamedCall<some ModelDialect>,
    _ end: HTTPExchange.End,
    _ deadline: ProgressDeadline
  ) async throws -> (result: Outcome, handedOut: String) {
    var call = call
    var handedOut = ""
    do {
      if end == .complete { _ = try await call.receive(.end, deadline) { handedOut += $0 } }
      return (.success(try call.finish(end)), handedOut)
    } catch let failure as ModelFailure {
      return (.failure(failure), handedOut)
    }
  }

  /// Hands a body over byte by byte, and ends the connection after each.
  private func check(
    _ dialect: some ModelDialect,
    _ answer: VendorAnswer,
    _ body: String,
    type: String
  ) async throws {
    let deadline = ProgressDeadline(first: .seconds(99), total: .seconds(99), step: .seconds(1))
    let text = answer.texts.joined()
    var call = StreamedCall(dialect, Requests.make(model: "model-1"))
    let head = HTTPHeaders([("content-type", type)])
    _ = try await call.receive(.head(status: 200, headers: head), deadline) { _ in }
    var early: [(at: Int, answer: ModelAnswer)] = []
    var handedOut = ""
    var whole: Outcome?
    for (count, byte) in body.utf8.enumerated() where whole == nil {
      for end in [HTTPExchange.End.broken, .complete, .timedOut] {
        let (result, more) = try await outcome(call, end, deadline)
        let out = handedOut + more
        #expect(text.hasPrefix(out))
        switch result {
        case .success(let got): early.append((count, got))
        case .failure(let failure):
          #expect(failure.afterOutput == !out.isEmpty, "at \(count)")
          let isBilled =
            failure.usage.outVisible >= TokenEstimator.tokens(out)
            || failure.kind == .refused
          #expect(isBilled, "at \(count)")
        }
      }
      do {
        let bytes = HTTPExchange.Part.bytes(ByteBuffer(bytes: [byte]))
        if try await call.receive(bytes, deadline, { handedOut += $0 }) {
          whole = .success(try call.finish(.complete))
        }
      } catch let failure as ModelFailure {
        whole = .failure(failure)
      }
    }
    if whole == nil { whole = try await outcome(call, .complete, deadline).result }
    // What was an answer before the last byte lacked nothing but counts.
    for (count, got) in early {
      let complete = try whole?.get()
      #expect(got.text == complete?.text && got.calls == complete?.calls, "at \(count)")
      #expect(got.stop == complete?.stop && got.replay == complete?.replay, "at \(count)")
    }
    if answer.stop == .refused {
      #expect(throws: ModelFailure.self) { try whole?.get() }
    } else {
      #expect(try whole?.get().text == text)
    }
  }

  private func check(_ dialect: some ModelDialect, _ vendor: Vendor) async throws {
    for answer in Self.answers {
      try await check(dialect, answer, answer.stream(of: vendor), type: "text/event-stream")
      try await check(dialect, answer, answer.whole(of: vendor), type: "application/json")
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
