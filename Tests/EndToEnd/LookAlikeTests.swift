import Domain
import Foundation
import Scenario
import Testing

/// All of an answer that somebody outside can see, without the date.
private struct Seen: Hashable {
  var status: Int
  var headers: [String]
  var body: String

  init(_ answer: HTTPAnswer) {
    status = answer.status
    headers = answer.headers.filter { $0.name != "date" }.map { "\($0.name): \($0.value)" }.sorted()
    body = answer.text
  }
}

extension `The edge of a node` {
  @Test func `an unknown route, an inactive binding and an archived tenant look alike`()
    async throws
  {
    let kichcha = stack.account(of: "kichcha")
    let ranveer = stack.account(of: "ranveer")
    for host in ["kichcha.example", "ranveer.example"] {
      let before = try await WebVisitor(host: host).say("hello", to: stack.edges[0])
      #expect(before.ended == "done", "\(host) answers at first")
    }
    let tenant = stack.folder.appending(path: "sample/ranveer/tenant.yaml")
    let text = String(decoding: try Data(contentsOf: tenant), as: UTF8.self)
    let inactive = try stack.write(text + "  is_active: false\n", to: "inactive.yaml")
    // It leaves the tenant without an address that answers.
    try await stack.apply(inactive, nodes: 2, ["--confirm-emptying"])
    let archived = try await stack.tool().run(["tenant", "archive", "kichcha", "--wait"])
    #expect(archived.status == 0)

    var nobody = kichcha
    nobody.slug = "nobody"
    for edge in stack.edges {
      for (what, host) in [("archived", "kichcha.example"), ("inactive", "ranveer.example")] {
        for look in Self.webLooks {
          let unknown = try await look.at(edge, host: "nobody.example")
          let known = try await look.at(edge, host: host)
          #expect(known == unknown, "\(look.method) \(look.path) of an \(what) one")
          #expect(known.status == 404)
        }
      }
      for account in [kichcha, ranveer] {
        let path = "\(edge)/webhooks/whatsapp"
        let query = "hub.mode=subscribe&hub.verify_token=\(account.verifyToken)&hub.challenge=1"
        let shaken = try await Seen(httpCall("GET", "\(path)/\(account.slug)?\(query)"))
        #expect(try await shaken == Seen(httpCall("GET", "\(path)/nobody?\(query)")))
        var known = try WhatsAppDelivery(text: "hi", from: "9177", to: account, id: "wamid.ALIKE")
        var unknown = known
        unknown.account = nobody
        for signature in [known.signature, nil, "sha256=00"] {
          known.signature = signature
          unknown.signature = signature
          let answer = try await Seen(known.post(to: edge))
          #expect(try await answer == Seen(unknown.post(to: edge)))
          #expect(answer.status == 404)
        }
      }
    }
    #expect(try await stack.database().count("select 1 from inputs where body = 'hi'") == 0)
    try await stack.expectWell()
  }

  /// A request that a stranger can make to a web host.
  private struct Look {
    var method: String
    var path: String
    var headers: [String: String] = [:]
    var body: String?

    func at(_ edge: String, host: String) async throws -> Seen {
      Seen(
        try await httpCall(
          method,
          edge + path,
          headers: headers.merging(["host": host], uniquingKeysWith: { $1 }),
          body: body.map { Data($0.utf8) }
        )
      )
    }
  }

  private static let webLooks = [
    Look(method: "GET", path: "/"),
    Look(method: "HEAD", path: "/"),
    Look(method: "GET", path: "/chat/messages"),
    Look(method: "GET", path: "/chat/messages", headers: ["cookie": "bindery_visitor=x.y"]),
    Look(
      method: "POST",
      path: "/chat/messages",
      headers: ["content-type": "application/json", "accept-language": "kn"],
      body: #"{"text": "hello", "client_message_id": "1"}"#
    ),
    Look(method: "POST", path: "/chat/messages", body: "nonsense"),
    Look(method: "POST", path: "/chat/messages", headers: ["origin": "https://evil.example"]),
  ]
}
