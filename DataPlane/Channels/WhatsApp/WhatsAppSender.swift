package import AsyncHTTPClient
internal import Domain
internal import Foundation
package import Logging
internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix
package import Secrets
package import Subscription
package import Turn

/// Sends replies by WhatsApp's Cloud API: `POST {base}/v25.0/{phone_number_id}/messages`.
///
/// The service has no idempotency key: what may have been sent is never sent again. The outbox id
/// goes along, and comes back with the message's statuses.
package struct WhatsAppSender: MessageSending {
  package struct Options: Hashable, Sendable {
    /// Without a slash at the end.
    package var baseURL = "https://graph.facebook.com"
    package var version = "v25.0"
    /// Of one HTTP call, in ms.
    package var timeoutMS: Int64 = 10_000
    /// Calls for one part of a message, the first among them.
    package var attempts = 4

    package init() {}
  }

  /// How the client is to be made: it must tell a failed connection from a lost answer.
  package static var clientConfiguration: HTTPClient.Configuration {
    var configuration = HTTPClient.Configuration(
      redirectConfiguration: .disallow,
      timeout: .init(connect: .seconds(3))
    )
    configuration.connectionPool.retryConnectionEstablishment = false
    return configuration
  }

  private let configuration: any ConfigurationReading
  private let secrets: any SecretResolver
  private let client: HTTPClient
  private let options: Options
  private let logger: Logger

  package init(
    configuration: any ConfigurationReading,
    secrets: any SecretResolver,
    client: HTTPClient,
    options: Options,
    logger: Logger
  ) {
    self.configuration = configuration
    self.secrets = secrets
    self.client = client
    self.options = options
    self.logger = logger
  }

  package func send(
    _ message: OutboundMessage,
    gate: @escaping @Sendable () -> Bool
  ) async -> SendOutcome {
    let parts = WhatsAppText.parts(WhatsAppText.markup(message.text))
    guard !parts.isEmpty else { return SendOutcome(state: .failed(error: "empty"), attempts: 0) }
    let line: Line
    do {
      line = try await self.line(message)
    } catch {
      logger.error(
        "a reply can't be sent",
        metadata: ["account": "\(message.channelAccount)", "why": "\(error)"]
      )
      return SendOutcome(state: .failed(error: error.code), attempts: 0)
    }
    var attempts: Int32 = 0
    var firstID = ""
    for (index, part) in parts.enumerated() {
      let body = body(part, of: message, isFirst: index == 0)
      let state = await send(body, on: line, gate: gate, attempts: &attempts)
      switch state {
      case .sent(let id):
        if firstID.isEmpty { firstID = id }
      case _ where index == 0:
        return SendOutcome(state: state, attempts: attempts)
      default:
        // Sent in part: sending the whole again would repeat what has arrived.
        logger.warning(
          "a reply was sent in part",
          metadata: ["outbox": "\(message.outboxID)", "part": "\(index + 1)/\(parts.count)"]
        )
        return SendOutcome(state: .failed(error: "sent_in_part"), attempts: attempts)
      }
    }
    return SendOutcome(state: .sent(providerMessageID: firstID), attempts: attempts)
  }

  // MARK: - One part

  private struct Line {
    var url: String
    var token: Secret
  }

  private struct LineFailure: Error, CustomStringConvertible {
    var code: String
    var description: String
  }

  private func line(_ message: OutboundMessage) async throws(LineFailure) -> Line {
    let snapshot = configuration.snapshot
    guard
      let account = snapshot.channelAccount(channel: "whatsapp", slug: message.channelAccount),
      account.tenantID == message.tenantID, let tenant = snapshot.tenant(message.tenantID)
    else {
      throw LineFailure(
        code: "unknown_account",
        description: "the account is not among this tenant's: apply it again or fix its slug"
      )
    }
    do {
      let reference = try SecretReference(account.accessTokenRef, tenantSlug: tenant.slug)
      return Line(
        url: "\(options.baseURL)/\(options.version)/\(account.phoneNumberID)/messages",
        token: try await secrets.secret(reference)
      )
    } catch {
      throw LineFailure(code: "no_access_token", description: "\(error)")
    }
  }

  private func body(_ part: String, of message: OutboundMessage, isFirst: Bool) -> JSONValue {
    var body: [String: JSONValue] = [
      "messaging_product": "whatsapp", "recipient_type": "individual", "type": "text",
      "biz_opaque_callback_data": .string(message.outboxID.description),
      "text": ["preview_url": false, "body": .string(part)],
    ]
    let isPhone = message.recipient.allSatisfy { ("0" ... "9").contains($0) }
    body[isPhone ? "to" : "recipient"] = .string(message.recipient)
    if isFirst, !message.replyTo.isEmpty {
      body["context"] = ["message_id": .string(message.replyTo)]
    }
    return .object(body)
  }

  private func send(
    _ body: JSONValue,
    on line: Line,
    gate: @escaping @Sendable () -> Bool,
    attempts: inout Int32
  ) async -> SendOutcome.State {
    var lastError = ""
    for attempt in 1 ... max(1, options.attempts) {
      guard let answer = await call(body, on: line, gate, attempt: attempt) else { return .held }
      attempts += 1
      switch answer {
      case .sent(let id): return .sent(providerMessageID: id)
      case .ambiguous: return .ambiguous
      case .failed(let error): return .failed(error: error)
      case .retry(let waitMS, let error):
        lastError = error
        guard attempt < options.attempts else { break }
        do {
          try await Task.sleep(for: .milliseconds(waitMS + Int64.random(in: 0 ... waitMS / 4)))
        } catch {
          return .held  // This node stops; another claims what was not sent.
        }
      }
    }
    return .failed(error: lastError)
  }

  /// nil: the gate has closed before anything was sent.
  private func call(
    _ body: JSONValue,
    on line: Line,
    _ gate: @escaping @Sendable () -> Bool,
    attempt: Int
  ) async -> CloudAPIAnswer? {
    guard gate() else { return nil }
    var request = HTTPClientRequest(url: line.url)
    request.method = .POST
    request.headers.add(name: "authorization", value: "Bearer \(line.token.value)")
    request.headers.add(name: "content-type", value: "application/json")
    do {
      let bytes = ByteBuffer(bytes: try JSONEncoder().encode(body))
      // It may take seconds to connect, and the switch is to be read when the message leaves.
      request.body = .stream(GatedBody(bytes, gate), length: .known(Int64(bytes.readableBytes)))
      let response = try await client.execute(
        request,
        timeout: .milliseconds(options.timeoutMS)
      )
      let answer = try await response.body.collect(upTo: 64 << 10)
      return CloudAPIAnswer(
        status: Int(response.status.code),
        body: Data(answer.readableBytesView),
        attempt: attempt
      )
    } catch is GatedBody.Closed {
      return nil
    } catch let error where Self.wasNeverSent(error) {
      return .retry(afterMS: CloudAPIAnswer.backOff(attempt), error: "unreachable")
    } catch {
      logger.warning("no answer to a send", metadata: ["why": "\(type(of: error))"])
      return .ambiguous
    }
  }

  /// True only for errors of making the connection.
  private static func wasNeverSent(_ error: any Error) -> Bool {
    if error is NIOConnectionError { return true }
    if let error = error as? IOError {
      return [ECONNREFUSED, EHOSTUNREACH, ENETUNREACH].contains(error.errnoCode)
    }
    guard let error = error as? HTTPClientError else { return false }
    return error == .connectTimeout || error == .getConnectionFromPoolTimeout
      || error == .invalidURL || error == .emptyScheme || error == .emptyHost
  }
}
