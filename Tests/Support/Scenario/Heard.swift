internal import Domain

/// What people said, and what they saw as the answer on the web. What WhatsApp was asked to send, the
/// fake knows.
actor Heard {
  private(set) var transcript = Transcript()

  func add(_ utterance: Utterance) { transcript.add(utterance) }

  func add(_ text: String, _ reply: WebVisitor.Reply, at tenant: String) {
    add(Utterance(tenant: tenant, channel: "web", inbound: true, body: text))
    guard !reply.text.isEmpty else { return }
    add(Utterance(tenant: tenant, channel: "web", inbound: false, body: reply.text))
  }
}

extension Stack {
  /// All texts that the fake WhatsApp was asked to send.
  nonisolated func sentByWhatsApp() async throws -> Transcript {
    var transcript = Transcript()
    for request in try await received(by: ports.whatsapp) {
      let path = request["path"]?.stringValue ?? ""
      guard
        let tenant = Self.tenants.first(where: { path.contains(account(of: $0).phoneNumberID) }),
        let body = request["body"]?["text"]?["body"]?.stringValue
      else { throw ScenarioFailure("WhatsApp was asked to send nothing readable: \(path)") }
      transcript.add(Utterance(tenant: tenant, channel: "whatsapp", inbound: false, body: body))
    }
    return transcript
  }
}
