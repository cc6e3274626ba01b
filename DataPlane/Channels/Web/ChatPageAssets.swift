extension ChatPage {
  static let scriptText = #"""
    "use strict";
    const log = document.getElementById("messages");
    const state = document.getElementById("state");
    const form = document.getElementById("form");
    const field = document.getElementById("text");
    const button = document.getElementById("send");
    const greeting = document.querySelector("[data-greeting]");
    if (!greeting.textContent) greeting.remove();

    function add(from, text) {
      const line = document.createElement("p");
      line.className = from;
      line.dir = "auto";
      line.textContent = text;
      log.append(line);
      log.scrollTop = log.scrollHeight;
      return line;
    }

    async function* events(body) {
      const reader = body.pipeThrough(new TextDecoderStream()).getReader();
      let rest = "";
      for (;;) {
        const { value, done } = await reader.read();
        if (done) return;
        rest += value;
        let end;
        while ((end = rest.indexOf("\n\n")) >= 0) {
          const block = rest.slice(0, end);
          rest = rest.slice(end + 2);
          let name = "message", data = "";
          for (const line of block.split("\n")) {
            if (line.startsWith("event: ")) name = line.slice(7);
            if (line.startsWith("data: ")) data += line.slice(6);
          }
          if (data) yield { name, data: JSON.parse(data) };
        }
      }
    }

    async function send(text) {
      add("visitor", text);
      let line = null, ended = false;
      try {
        const response = await fetch("/chat/messages", {
          method: "POST",
          headers: { "content-type": "application/json", accept: "text/event-stream" },
          body: JSON.stringify({ text, client_message_id: crypto.randomUUID ?
            crypto.randomUUID() : String(Date.now()) + Math.random() }),
        });
        if (!response.ok) {
          state.textContent = response.status === 429
            ? "Too many messages. Wait a minute." : "Not sent. Try again in a moment.";
          return;
        }
        for await (const event of events(response.body)) {
          if (event.name === "typing") state.textContent = "…";
          if (event.name === "text") {
            state.textContent = "";
            line = line || add("persona", "");
            line.textContent += event.data.text;
            log.scrollTop = log.scrollHeight;
          }
          if (["done", "interrupted", "error"].includes(event.name)) {
            ended = true;
            state.textContent = event.name === "done" ? "" :
              event.data.message || "The answer broke off.";
          }
        }
        if (!ended) state.textContent = "The connection was lost.";
      } catch {
        state.textContent = "The connection was lost.";
      }
    }

    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const text = field.value.trim();
      if (!text || button.disabled) return;
      field.value = "";
      button.disabled = true;
      await send(text);
      button.disabled = false;
      field.focus();
    });
    field.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
        event.preventDefault();
        form.requestSubmit();
      }
    });
    fetch("/chat/messages").then((response) => response.json()).then((history) => {
      for (const message of history.messages) add(message.from, message.text);
    }).catch(() => {});
    """#

  static let styleText = """
    :root { color-scheme: light dark; }
    * { box-sizing: border-box; }
    body { margin: 0 auto; max-width: 44rem; height: 100dvh; display: flex; flex-direction: column;
      font: 1rem/1.5 system-ui, sans-serif; background: Canvas; color: CanvasText; }
    header { padding: .5rem 1rem; border-bottom: 1px solid GrayText; }
    h1 { font-size: 1.1rem; margin: 0; }
    main { flex: 1; overflow-y: auto; padding: 1rem; display: flex; flex-direction: column; gap: .5rem; }
    main p { margin: 0; padding: .5rem .75rem; border-radius: .75rem; max-width: 85%;
      white-space: pre-wrap; overflow-wrap: anywhere; border: 1px solid GrayText; }
    .visitor { align-self: flex-end; background: Highlight; color: HighlightText; }
    .persona { align-self: flex-start; }
    #state { margin: 0; padding: 0 1rem; min-height: 1.5rem; }
    form { display: flex; gap: .5rem; padding: .5rem 1rem 1rem; }
    textarea { flex: 1; font: inherit; padding: .5rem; resize: vertical; }
    button { font: inherit; padding: .5rem 1rem; }
    .unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
    """
}
