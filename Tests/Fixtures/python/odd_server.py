#!/usr/bin/env python3
"""Answers calls as no gRPC server should, over a raw HTTP/2 server: what our client makes of
proxies' answers, resets and broken messages.

usage: .bindery/python/bin/python Tests/Fixtures/python/odd_server.py [PORT]
Listens on 127.0.0.1, at a free port unless told; prints "ready HOST:PORT", and runs until it gets
SIGTERM or SIGINT. The method of the call's path, after any service, says what comes back:

  http-N            HTTP status N with an HTML body     http-N-bare       the same without a body
  http-N-reset      HTTP status N, then RST_STREAM with code 2
  http-N-grpc       HTTP status N with grpc-status 5 and a message, headers alone
  reset-N           RST_STREAM with code N, nothing else
  late-reset-N      response headers and a message, then RST_STREAM with code N
  html              HTTP status 200 with text/html       no-status         no trailers
  trailers-without  trailers without grpc-status         status-TEXT       grpc-status TEXT
  percent           grpc-message with wrong escapes      information       100 and 103, then the answer
  cut-prefix, cut   the last message is not whole, then grpc-status 0
  flag-N            a message with flag N                encoded           the same with grpc-encoding
  huge              a message's prefix that says 4 GiB   early             the answer before the request
  ok                an empty message and status 0
"""

import argparse
import socket
import sys
import threading
from typing import Callable

import h2.config
import h2.connection
import h2.events
import h2.exceptions

import stopping
from http2 import message

HEADERS = [(":status", "200"), ("content-type", "application/grpc")]
HTML = b"<html><body>not what you asked for</body></html>"
OK = [("grpc-status", "0")]


class Peer:
    """One connection."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self.h2 = h2.connection.H2Connection(
            config=h2.config.H2Configuration(
                client_side=False,
                header_encoding="utf-8",
                validate_outbound_headers=False,
                normalize_outbound_headers=False,
            )
        )
        self.paths: dict[int, str] = {}

    def run(self) -> None:
        self.h2.initiate_connection()
        with self.socket:
            try:
                self.socket.sendall(self.h2.data_to_send())
                while data := self.socket.recv(65536):
                    for event in self.h2.receive_data(data):
                        self.handle(event)
                    self.socket.sendall(self.h2.data_to_send())
            except (OSError, h2.exceptions.ProtocolError):
                return  # the client is gone

    def handle(self, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.RequestReceived):
            method = dict(event.headers)[":path"].rpartition("/")[2]
            self.paths[event.stream_id] = method
            if method == "early":
                self.answer(event.stream_id, [message()], [("grpc-status", "9")])
                self.h2.reset_stream(event.stream_id, error_code=0)
        elif isinstance(event, h2.events.DataReceived):
            self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.StreamEnded):
            method = self.paths.pop(event.stream_id, "")
            if method != "early":
                self.respond(event.stream_id, method)

    def answer(
        self,
        stream: int,
        chunks: list[bytes],
        trailers: list[tuple[str, str]] | None,
        headers: list[tuple[str, str]] | None = None,
    ) -> None:
        self.h2.send_headers(stream, headers or HEADERS)
        for number, chunk in enumerate(chunks):
            last = trailers is None and number == len(chunks) - 1
            self.h2.send_data(stream, chunk, end_stream=last)
        if trailers is not None:
            self.h2.send_headers(stream, trailers, end_stream=True)

    def respond(self, stream: int, method: str) -> None:
        kind, _, detail = method.partition("-")
        fixed: dict[str, Callable[[], None]] = {
            "ok": lambda: self.answer(stream, [message()], OK),
            "html": lambda: self.answer(
                stream, [HTML], None, [(":status", "200"), ("content-type", "text/html")]
            ),
            "no-status": lambda: self.answer(stream, [message()], None),
            "trailers-without": lambda: self.answer(stream, [message()], [("x-other", "1")]),
            "percent": lambda: self.answer(
                stream, [], [("grpc-status", "5"), ("grpc-message", "100%, %zz and %E2%82%AC%")]
            ),
            "cut-prefix": lambda: self.answer(stream, [message() + b"\0\0"], OK),
            "cut": lambda: self.answer(stream, [message() + message(b"1", length=9)], OK),
            "huge": lambda: self.answer(stream, [message(length=2**32 - 1)], OK),
            "encoded": lambda: self.answer(
                stream, [message(b"x", flag=1)], OK, HEADERS + [("grpc-encoding", "lzma")]
            ),
        }
        if method in fixed:
            fixed[method]()
        elif kind == "http":
            self.http(stream, detail)
        elif kind == "reset":
            self.h2.reset_stream(stream, error_code=int(detail))
        elif method.startswith("late-reset-"):
            self.h2.send_headers(stream, HEADERS)
            self.h2.send_data(stream, message())
            self.h2.reset_stream(stream, error_code=int(method.rpartition("-")[2]))
        elif kind == "status":
            self.answer(stream, [message()], [("grpc-status", detail)])
        elif kind == "flag":
            self.answer(stream, [message(b"x", flag=int(detail))], OK)
        elif method == "information":
            self.h2.send_headers(stream, [(":status", "100")])
            self.h2.send_headers(stream, [(":status", "103"), ("link", "</>")])
            self.answer(stream, [message()], OK)
        else:
            self.answer(stream, [], [("grpc-status", "12")])

    def http(self, stream: int, detail: str) -> None:
        status, _, how = detail.partition("-")
        headers = [(":status", status), ("content-type", "text/html"), ("server", "a-proxy")]
        if how == "bare":
            self.h2.send_headers(stream, headers, end_stream=True)
        elif how == "reset":
            self.h2.send_headers(stream, headers)
            self.h2.reset_stream(stream, error_code=2)
        elif how == "grpc":
            fields = [("grpc-status", "5"), ("grpc-message", "from the service")]
            self.h2.send_headers(stream, headers + fields, end_stream=True)
        else:
            self.answer(stream, [HTML], None, headers)


def main() -> int:
    parser = argparse.ArgumentParser(description="Answers calls as no gRPC server should.")
    parser.add_argument("port", nargs="?", type=int, default=0)
    stopping.on_signal(sys.exit)
    with socket.create_server(("127.0.0.1", parser.parse_args().port)) as listener:
        print(f"ready 127.0.0.1:{listener.getsockname()[1]}", flush=True)
        while True:
            connection, _ = listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=Peer(connection).run, daemon=True).start()


if __name__ == "__main__":
    sys.exit(main())
