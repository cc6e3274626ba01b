"""A raw HTTP/2 client that may break gRPC's rules, and HTTP/2's where h2 lets it."""

import socket
from dataclasses import dataclass, field

import h2.config
import h2.connection
import h2.events

SECONDS = 20  # for one answer


@dataclass
class Answer:
    """What came on one stream."""

    status: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    trailers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    # Error code of RST_STREAM; None without one.
    reset: int | None = None

    @property
    def grpc_status(self) -> str | None:
        """The status of the trailers, or of an answer that is trailers alone."""
        return self.trailers.get("grpc-status", self.headers.get("grpc-status"))


class Gone(Exception):
    """The server ended the connection."""


class Connection:
    """One connection; streams one after the other."""

    def __init__(self, target: str) -> None:
        host, _, port = target.rpartition(":")
        self.socket = socket.create_connection((host.strip("[]"), int(port)), timeout=SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.h2 = h2.connection.H2Connection(
            config=h2.config.H2Configuration(
                client_side=True,
                header_encoding="utf-8",
                validate_outbound_headers=False,
                normalize_outbound_headers=False,
            )
        )
        self.authority = target
        self.h2.initiate_connection()
        self.flush()

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def flush(self) -> None:
        self.socket.sendall(self.h2.data_to_send())

    def request(
        self,
        path: str,
        body: bytes | list[bytes] = b"",
        *,
        end: bool = True,
        trailers: list[tuple[str, str]] | None = None,
        without: tuple[str, ...] = (),
        **changed: str,
    ) -> int:
        """Opens a stream. `changed` replaces fields or adds them ("_" for "-", "p_x" for ":x")."""
        fields = {
            ":method": "POST",
            ":scheme": "http",
            ":path": path,
            ":authority": self.authority,
            "te": "trailers",
            "content-type": "application/grpc",
        }
        for name, value in changed.items():
            fields[":" + name[2:] if name.startswith("p_") else name.replace("_", "-")] = value
        stream = self.h2.get_next_available_stream_id()
        headers = [(name, value) for name, value in fields.items() if name not in without]
        chunks = [body] if isinstance(body, bytes) else body
        chunks = [chunk for chunk in chunks if chunk]
        self.h2.send_headers(stream, headers, end_stream=end and not chunks and trailers is None)
        for number, chunk in enumerate(chunks):
            last = number == len(chunks) - 1
            self.h2.send_data(stream, chunk, end_stream=end and last and trailers is None)
        if trailers is not None:
            self.h2.send_headers(stream, trailers, end_stream=True)
        self.flush()
        return stream

    def answer(self, stream: int, until_reset: bool = False) -> Answer:
        """Waits until the server has ended the stream, or reset it too after its answer."""
        answer = Answer()
        while True:
            data = self.socket.recv(65536)
            if not data:
                raise Gone("the server closed the connection")
            ended = False
            for event in self.h2.receive_data(data):
                if isinstance(event, h2.events.ConnectionTerminated):
                    raise Gone(f"the server sent GOAWAY with code {int(event.error_code)}")
                if getattr(event, "stream_id", None) != stream:
                    continue
                if isinstance(event, h2.events.ResponseReceived):
                    answer.headers = dict(event.headers)
                    answer.status = answer.headers.get(":status", "")
                elif isinstance(event, h2.events.TrailersReceived):
                    answer.trailers = dict(event.headers)
                elif isinstance(event, h2.events.DataReceived):
                    answer.body += event.data
                    self.h2.acknowledge_received_data(event.flow_controlled_length, stream)
                elif isinstance(event, h2.events.StreamReset):
                    answer.reset = int(event.error_code)
                    ended = True
                elif isinstance(event, h2.events.StreamEnded):
                    ended = not until_reset
            self.flush()
            if ended:
                return answer


def message(body: bytes = b"", flag: int = 0, length: int | None = None) -> bytes:
    """A length-prefixed message; `flag` and `length` may be wrong."""
    size = len(body) if length is None else length
    return bytes([flag]) + size.to_bytes(4, "big") + body
