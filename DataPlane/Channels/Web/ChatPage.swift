internal import HTTPTypes
internal import Hummingbird
internal import NIOCore

/// The chat page: one document with a script and a style sheet of its own, nothing from elsewhere.
enum ChatPage {
  /// - Parameter language: BCP 47, for the document's `lang`.
  static func response(name: String, language: String, greeting: String) -> Response {
    let html = """
      <!doctype html>
      <html lang="\(escaped(language.isEmpty ? "en" : language))">
      <head>
      <meta charset="utf-8">
      <meta name="viewport" content="width=device-width, initial-scale=1">
      <title>\(escaped(name))</title>
      <link rel="stylesheet" href="/chat/style.css">
      <script src="/chat/page.js" defer></script>
      </head>
      <body>
      <header><h1>\(escaped(name))</h1></header>
      <main id="messages" role="log" aria-live="polite" aria-label="\(escaped(name))" tabindex="0">
      <p class="persona" dir="auto" data-greeting>\(escaped(greeting))</p>
      </main>
      <p id="state" role="status" aria-live="polite"></p>
      <form id="form">
      <label class="unseen" for="text">Message</label>
      <textarea id="text" rows="2" maxlength="4000" dir="auto" required autofocus></textarea>
      <button id="send">Send</button>
      </form>
      <noscript><p>This chat needs JavaScript.</p></noscript>
      </body>
      </html>
      """
    return asset(html, type: "text/html; charset=utf-8", isCached: false)
  }

  static func script() -> Response {
    asset(scriptText, type: "text/javascript; charset=utf-8", isCached: true)
  }

  static func style() -> Response {
    asset(styleText, type: "text/css; charset=utf-8", isCached: true)
  }

  static func escaped(_ text: String) -> String {
    var result = ""
    for character in text.unicodeScalars {
      switch character {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "\"": result += "&quot;"
      case "'": result += "&#39;"
      default: result.unicodeScalars.append(character)
      }
    }
    return result
  }

  private static func asset(_ text: String, type: String, isCached: Bool) -> Response {
    var headers: HTTPFields = [
      .contentType: type, .cacheControl: isCached ? "max-age=300" : "no-store",
      .contentSecurityPolicy:
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        + "form-action 'none'; base-uri 'none'; frame-ancestors 'none'",
      .xContentTypeOptions: "nosniff",
    ]
    if let policy = HTTPField.Name("Referrer-Policy") { headers[policy] = "no-referrer" }
    return Response(
      status: .ok,
      headers: headers,
      body: ResponseBody(byteBuffer: ByteBuffer(string: text))
    )
  }
}
