#!/usr/bin/env python3
"""Calls an echo server (echo.proto, with grpc.health.v1.Health beside it) as a stock gRPC client.

usage: .bindery/python/bin/python Tests/Fixtures/python/echo_client.py TARGET
TARGET is what grpcio takes, e.g. 127.0.0.1:7400 or unix:/tmp/echo.sock. One line a check; exit
status 1 when one fails.
"""

import argparse
import queue
import sys
from typing import Any, Iterable

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

import protos
from report import Report, expect, expect_status, expect_that, wait_until

SECONDS = 20  # deadline of a call that must be answered
MIB = 1024 * 1024
WORDS = "नमस्ते ✓ ಕನ್ನಡ"


class EchoChecks:
    def __init__(self, target: str) -> None:
        self.messages, stubs = protos.echo()
        # The server's limit is what is tested, so the client has none.
        self.channel = grpc.insecure_channel(
            target,
            options=[
                ("grpc.enable_http_proxy", 0),
                ("grpc.max_receive_message_length", -1),
                ("grpc.max_send_message_length", -1),
            ],
        )
        self.stub = stubs.EchoStub(self.channel)
        self.report = Report()

    def request(self, text: str = "", payload: bytes = b"", count: int = 0) -> Any:
        return self.messages.EchoRequest(text=text, payload=payload, count=count)

    def run(self) -> int:
        grpc.channel_ready_future(self.channel).result(timeout=SECONDS)
        for check in (
            self.unary,
            self.client_stream,
            self.server_stream,
            self.bidirectional,
            self.metadata,
            self.errors,
            self.deadline,
            self.cancellation,
            self.big_messages,
            self.many_at_once,
            self.unknown_names,
            self.health,
        ):
            check()
        self.channel.close()
        return self.report.finish()

    # MARK: the four kinds

    def unary(self) -> None:
        with self.report.check("unary") as seen:
            answer = self.stub.Get(self.request(WORDS, bytes(range(256)), -7), timeout=SECONDS)
            expect("text", answer.text, WORDS)
            expect("payload", answer.payload, bytes(range(256)))
            expect("count", answer.count, -7)
            seen.append("text, bytes and number came back")
        with self.report.check("unary, empty message"):
            expect(
                "the answer",
                self.stub.Get(self.request(), timeout=SECONDS),
                self.messages.EchoResponse(),
            )

    def client_stream(self) -> None:
        for number in (0, 1, 1000):
            with self.report.check(f"client streaming, {number}") as seen:
                parts = [self.request(f"{i},", bytes([i % 256])) for i in range(number)]
                answer = self.stub.Collect(iter(parts), timeout=SECONDS)
                expect("count", answer.count, number)
                expect("text", answer.text, "".join(part.text for part in parts))
                expect("payload", answer.payload, b"".join(part.payload for part in parts))
                seen.append(f"{number} messages arrived in order")

    def server_stream(self) -> None:
        for number in (0, 1, 1000):
            with self.report.check(f"server streaming, {number}") as seen:
                request = self.request(WORDS, b"\0\xff", number)
                answers = list(self.stub.Expand(request, timeout=SECONDS))
                expect("counts", [a.count for a in answers], list(range(number)))
                expect_that(
                    all((a.text, a.payload) == (WORDS, b"\0\xff") for a in answers),
                    "a message came back changed",
                )
                seen.append(f"{number} messages came in order")

    def bidirectional(self) -> None:
        with self.report.check("bidirectional, in turns") as seen:
            outbound: queue.Queue[Any] = queue.Queue()
            call = self.stub.Update(iter(outbound.get, None), timeout=SECONDS)
            for number in range(100):
                # The next request is sent only after this answer, so both ways are open at once.
                outbound.put(self.request(f"turn {number}"))
                answer = next(call)
                expect("text", answer.text, f"turn {number}")
                expect("count", answer.count, number)
            outbound.put(None)
            expect("what follows the half-close", list(call), [])
            expect("the status", call.code(), grpc.StatusCode.OK)
            seen.append("100 turns on one call")
        with self.report.check("bidirectional, at once") as seen:
            parts = [self.request(str(i), b"x" * 1024) for i in range(1000)]
            answers = list(self.stub.Update(iter(parts), timeout=SECONDS))
            expect("texts", [a.text for a in answers], [p.text for p in parts])
            seen.append("1,000 messages of 1 KiB")

    # MARK: metadata and statuses

    def metadata(self) -> None:
        sent = [
            ("x-word", "plain ~!@#$%^&*() text"),
            ("x-twice", "first"),
            ("x-twice", "second"),
            ("x-all-bin", bytes(range(256))),
            # One, two and three bytes: base64 with two, one and no padding characters.
            ("x-pad-bin", b"\xfb"),
            ("x-pad-bin", b"\xfb\xff"),
            ("x-pad-bin", b"\xfb\xff\xbf"),
            ("x-long", "v" * 4000),
        ]
        with self.report.check("metadata, unary") as seen:
            _, call = self.stub.Get.with_call(self.request("m"), metadata=sent, timeout=SECONDS)
            self.expect_echoed(sent, call)
            seen.append(f"{len(sent)} values both ways, initial and trailing")
        with self.report.check("metadata, bidirectional"):
            stream = self.stub.Update(iter([self.request("m")]), metadata=sent, timeout=SECONDS)
            expect("messages", len(list(stream)), 1)
            self.expect_echoed(sent, stream)

    def expect_echoed(self, sent: list[tuple[str, Any]], call: Any) -> None:
        self.expect_prefixed("initial", sent, call.initial_metadata())
        self.expect_prefixed("trailing", sent, call.trailing_metadata())

    @staticmethod
    def expect_prefixed(where: str, sent: list[tuple[str, Any]], got: Iterable[Any]) -> None:
        values: dict[str, list[Any]] = {}
        for key, value in got:
            values.setdefault(key, []).append(value)
        for name in {key for key, _ in sent}:
            wanted = [value for key, value in sent if key == name]
            expect(f"{where}-{name}", values.get(f"{where}-{name}"), wanted)

    def errors(self) -> None:
        with self.report.check("trailers alone, every status") as seen:
            codes = [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK]
            for code in codes:
                self.expect_failure(
                    code, lambda metadata: self.stub.Get(self.request("f"), metadata=metadata)
                )
            seen.append(f"{len(codes)} statuses with message and metadata")
        kinds = {
            "client streaming": lambda metadata: self.stub.Collect(
                iter([self.request("f")]), metadata=metadata
            ),
            "server streaming": lambda metadata: list(
                self.stub.Expand(self.request("f", count=3), metadata=metadata)
            ),
            "bidirectional": lambda metadata: list(
                self.stub.Update(iter([self.request("f")]), metadata=metadata)
            ),
        }
        for kind, call in kinds.items():
            with self.report.check(f"trailers alone, {kind}"):
                self.expect_failure(grpc.StatusCode.FAILED_PRECONDITION, call)

    @staticmethod
    def expect_failure(code: grpc.StatusCode, call: Any) -> None:
        error = expect_status(code, lambda: call([("echo-fail", str(code.value[0]))]))
        expect("the message", error.details(), "nö: 100% of\nit")
        expect("initial metadata", list(error.initial_metadata()), [])
        trailing = dict(error.trailing_metadata())
        expect("why", trailing.get("why"), "because")
        expect("raw-bin", trailing.get("raw-bin"), b"\x00\xff\x01")

    # MARK: ends

    def count(self, what: str) -> int:
        """Calls "held" so far, or those of them "released"."""
        metadata = [("echo-report", what)]
        return self.stub.Get(self.request(), metadata=metadata, timeout=SECONDS).count

    def deadline(self) -> None:
        with self.report.check("deadline") as seen:
            before = self.count("released")
            held = [("echo-hold", "yes")]
            expect_status(
                grpc.StatusCode.DEADLINE_EXCEEDED,
                lambda: self.stub.Get(self.request("d"), metadata=held, timeout=0.2),
            )
            expect_status(
                grpc.StatusCode.DEADLINE_EXCEEDED,
                lambda: list(self.stub.Expand(self.request("d"), metadata=held, timeout=0.2)),
            )
            wait_until("the server ends both calls", lambda: self.count("released") == before + 2)
            seen.append("both sides gave up")

    def cancellation(self) -> None:
        kinds = {
            "unary": lambda **how: self.stub.Get.future(self.request("c"), **how),
            "server streaming": lambda **how: self.stub.Expand(self.request("c", count=1), **how),
            "bidirectional": lambda **how: self.stub.Update(iter([self.request("c")]), **how),
        }
        for kind, start in kinds.items():
            with self.report.check(f"cancellation, {kind}") as seen:
                held, released = self.count("held"), self.count("released")
                call = start(metadata=[("echo-hold", "yes")], timeout=SECONDS)
                wait_until("the handler holds the call", lambda: self.count("held") == held + 1)
                call.cancel()
                expect("the status", call.code(), grpc.StatusCode.CANCELLED)
                wait_until(
                    "the handler ends", lambda: self.count("released") == released + 1
                )
                seen.append("the handler was cancelled")

    # MARK: size and number

    def big_messages(self) -> None:
        big = bytes(range(256)) * (3 * MIB // 256)
        with self.report.check("3 MiB, unary"):
            answer = self.stub.Get(self.request(payload=big), timeout=SECONDS)
            expect_that(answer.payload == big, "the payload came back changed")
        with self.report.check("3 MiB, bidirectional") as seen:
            parts = [self.request(str(i), big) for i in range(4)]
            answers = list(self.stub.Update(iter(parts), timeout=SECONDS))
            expect("messages", len(answers), len(parts))
            expect_that(all(a.payload == big for a in answers), "a payload came back changed")
            seen.append("4 messages each way")
        with self.report.check("16 MiB, server streaming") as seen:
            request = self.request(payload=big[: 64 * 1024], count=256)
            counts = [a.count for a in self.stub.Expand(request, timeout=SECONDS)]
            expect("counts", counts, list(range(256)))
            seen.append("256 messages of 64 KiB")
        with self.report.check("over the limit") as seen:
            expect_status(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                lambda: self.stub.Get(self.request(payload=bytes(5 * MIB)), timeout=SECONDS),
            )
            expect("text", self.stub.Get(self.request("on"), timeout=SECONDS).text, "on")
            seen.append("5 MiB refused, the connection goes on")

    def many_at_once(self) -> None:
        with self.report.check("300 calls at once"):
            calls = [
                self.stub.Get.future(self.request(str(i), count=i), timeout=SECONDS)
                for i in range(300)
            ]
            expect("counts", [call.result().count for call in calls], list(range(300)))

    def unknown_names(self) -> None:
        for path in ("/bindery.test.Echo/Nothing", "/bindery.test.Nothing/Get"):
            with self.report.check(f"unknown {path}"):
                call = self.channel.unary_unary(path)
                expect_status(
                    grpc.StatusCode.UNIMPLEMENTED, lambda: call(b"", timeout=SECONDS)
                )

    def health(self) -> None:
        stub = health_pb2_grpc.HealthStub(self.channel)
        serving = health_pb2.HealthCheckResponse.SERVING
        with self.report.check("health"):
            request = health_pb2.HealthCheckRequest(service="")
            expect("the state", stub.Check(request, timeout=SECONDS).status, serving)
            watch = stub.Watch(request, timeout=SECONDS)
            expect("the state watched", next(watch).status, serving)
            watch.cancel()
            unknown = health_pb2.HealthCheckRequest(service="no.such.Service")
            expect_status(
                grpc.StatusCode.NOT_FOUND, lambda: stub.Check(unknown, timeout=SECONDS)
            )


def main() -> int:
    parser = argparse.ArgumentParser(description="Calls an echo server as a stock gRPC client.")
    parser.add_argument("target", help="e.g. 127.0.0.1:7400 or unix:/tmp/echo.sock")
    target = parser.parse_args().target
    try:
        return EchoChecks(target).run()
    except grpc.FutureTimeoutError:
        print(f"FAIL  no gRPC server answers at {target}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
