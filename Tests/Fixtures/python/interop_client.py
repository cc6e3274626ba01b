#!/usr/bin/env python3
"""Tests a server of gRPC's interoperability service as a stock gRPC client: the published cases
(doc/interop-test-descriptions.md of gRPC) that need no credentials. grpcio does not tell how a
message came: whether answers are compressed is checked by odd_requests.py.

usage: .bindery/python/bin/python Tests/Fixtures/python/interop_client.py TARGET [CASE ...]
           [--tls-ca FILE [--tls-cert FILE --tls-key FILE]]
TARGET is what grpcio takes, e.g. 127.0.0.1:7800; CASE is a name, all of them unless told. One line
a case; exit status 1 when one fails.
"""

import argparse
import queue
import sys
from typing import Any

import grpc

import protos
import tls
from report import Report, expect, expect_status

SECONDS = 20  # deadline of a call that must be answered
REQUESTS = (27_182, 8, 1_828, 45_904)
RESPONSES = (31_415, 9, 2_653, 58_979)
INITIAL = "x-grpc-test-echo-initial"
TRAILING = "x-grpc-test-echo-trailing-bin"
SPECIAL = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n"


class Cases:
    def __init__(self, channel: grpc.Channel) -> None:
        modules = protos.interop()
        self.empty = modules["empty"][0].Empty()
        self.messages = modules["messages"][0]
        self.channel = channel
        self.stub = modules["test"][1].TestServiceStub(self.channel)
        self.nowhere = modules["test"][1].UnimplementedServiceStub(self.channel)

    # MARK: messages

    def zeros(self, size: int) -> Any:
        return self.messages.Payload(body=bytes(size))

    def large(self) -> Any:
        return self.messages.SimpleRequest(response_size=314_159, payload=self.zeros(271_828))

    def asking(self, sizes: list[int], payload: int = 0, interval: int = 0) -> Any:
        parameters = [
            self.messages.ResponseParameters(size=size, interval_us=interval) for size in sizes
        ]
        return self.messages.StreamingOutputCallRequest(
            response_parameters=parameters, payload=self.zeros(payload)
        )

    # MARK: cases

    def empty_unary(self) -> None:
        expect("the answer", self.stub.EmptyCall(self.empty, timeout=SECONDS), self.empty)

    def large_unary(self) -> None:
        answer = self.stub.UnaryCall(self.large(), timeout=SECONDS)
        expect("the payload", answer.payload.body, bytes(314_159))

    def cacheable_unary(self) -> None:
        request = self.messages.SimpleRequest(response_size=42)
        answer = self.stub.CacheableUnaryCall(request, timeout=SECONDS)
        expect("the payload", answer.payload.body, bytes(42))

    def client_streaming(self) -> None:
        requests = [
            self.messages.StreamingInputCallRequest(payload=self.zeros(size)) for size in REQUESTS
        ]
        answer = self.stub.StreamingInputCall(iter(requests), timeout=SECONDS)
        expect("the sum of the sizes", answer.aggregated_payload_size, 74_922)

    def server_streaming(self) -> None:
        call = self.stub.StreamingOutputCall(self.asking(list(RESPONSES)), timeout=SECONDS)
        expect("the sizes", [len(answer.payload.body) for answer in call], list(RESPONSES))

    def ping_pong(self) -> None:
        outbound: queue.Queue[Any] = queue.Queue()
        call = self.stub.FullDuplexCall(iter(outbound.get, None), timeout=SECONDS)
        for request, response in zip(REQUESTS, RESPONSES):
            outbound.put(self.asking([response], request))
            expect("the answer", next(call).payload.body, bytes(response))
        outbound.put(None)
        expect("what follows the half-close", list(call), [])

    def empty_stream(self) -> None:
        expect("the answers", list(self.stub.FullDuplexCall(iter([]), timeout=SECONDS)), [])

    def half_duplex(self) -> None:
        outbound: queue.Queue[Any] = queue.Queue()
        call = self.stub.HalfDuplexCall(iter(outbound.get, None), timeout=SECONDS)
        for response in RESPONSES:
            outbound.put(self.asking([response]))
        outbound.put(None)
        expect("the sizes", [len(answer.payload.body) for answer in call], list(RESPONSES))

    def cancel_after_begin(self) -> None:
        outbound: queue.Queue[Any] = queue.Queue()
        call = self.stub.StreamingInputCall.future(iter(outbound.get, None), timeout=SECONDS)
        call.cancel()
        expect("the status", call.code(), grpc.StatusCode.CANCELLED)
        outbound.put(None)

    def cancel_after_first_response(self) -> None:
        outbound: queue.Queue[Any] = queue.Queue()
        call = self.stub.FullDuplexCall(iter(outbound.get, None), timeout=SECONDS)
        outbound.put(self.asking([RESPONSES[0]], REQUESTS[0]))
        expect("the first answer", next(call).payload.body, bytes(RESPONSES[0]))
        call.cancel()
        expect_status(grpc.StatusCode.CANCELLED, lambda: next(call))
        outbound.put(None)

    def timeout_on_sleeping_server(self) -> None:
        # The first deadline may pass before anything was sent; in the second the server sleeps.
        for timeout, interval in ((0.001, 0), (0.3, 60_000_000)):
            outbound: queue.Queue[Any] = queue.Queue()
            outbound.put(self.asking([9] if interval else [], 27_182, interval))
            call = self.stub.FullDuplexCall(iter(outbound.get, None), timeout=timeout)
            expect_status(grpc.StatusCode.DEADLINE_EXCEEDED, lambda: next(call))
            outbound.put(None)

    def status_code_and_message(self) -> None:
        self.status("test status message")

    def special_status_message(self) -> None:
        self.status(SPECIAL)

    def status(self, message: str) -> None:
        status = self.messages.EchoStatus(code=2, message=message)
        unary = self.messages.SimpleRequest(response_status=status)
        error = expect_status(
            grpc.StatusCode.UNKNOWN, lambda: self.stub.UnaryCall(unary, timeout=SECONDS)
        )
        expect("the message", error.details(), message)
        request = self.messages.StreamingOutputCallRequest(response_status=status)
        call = self.stub.FullDuplexCall(iter([request]), timeout=SECONDS)
        error = expect_status(grpc.StatusCode.UNKNOWN, lambda: list(call))
        expect("the message", error.details(), message)

    def every_status(self) -> None:
        for code in grpc.StatusCode:
            if code is grpc.StatusCode.OK:
                continue
            status = self.messages.EchoStatus(code=code.value[0], message=code.name)
            request = self.messages.SimpleRequest(response_status=status)
            expect_status(code, lambda: self.stub.UnaryCall(request, timeout=SECONDS))

    def custom_metadata(self) -> None:
        sent = ((INITIAL, "test_initial_metadata_value"), (TRAILING, b"\xab\xab\xab"))
        _, unary = self.stub.UnaryCall.with_call(self.large(), metadata=sent, timeout=SECONDS)
        stream = self.stub.FullDuplexCall(
            iter([self.asking([314_159], 271_828)]), metadata=sent, timeout=SECONDS
        )
        expect("the sizes", [len(answer.payload.body) for answer in stream], [314_159])
        for call in (unary, stream):
            expect(INITIAL, dict(call.initial_metadata()).get(INITIAL), sent[0][1])
            expect(TRAILING, dict(call.trailing_metadata()).get(TRAILING), sent[1][1])

    def unimplemented_method(self) -> None:
        expect_status(
            grpc.StatusCode.UNIMPLEMENTED,
            lambda: self.stub.UnimplementedCall(self.empty, timeout=SECONDS),
        )

    def unimplemented_service(self) -> None:
        expect_status(
            grpc.StatusCode.UNIMPLEMENTED,
            lambda: self.nowhere.UnimplementedCall(self.empty, timeout=SECONDS),
        )

    def client_compressed_unary(self) -> None:
        for compression in (None, grpc.Compression.Gzip):
            for expected in (True, False):
                request = self.large()
                request.expect_compressed.value = expected

                def call() -> Any:
                    return self.stub.UnaryCall(request, timeout=SECONDS, compression=compression)

                if expected == (compression is not None):
                    expect("the payload", call().payload.body, bytes(314_159))
                else:
                    expect_status(grpc.StatusCode.INVALID_ARGUMENT, call)

    def client_compressed_streaming(self) -> None:
        for compression in (None, grpc.Compression.Gzip):
            for expected in (True, False):
                requests = [
                    self.messages.StreamingInputCallRequest(
                        payload=self.zeros(size),
                        expect_compressed=self.messages.BoolValue(value=expected),
                    )
                    for size in (27_182, 45_904)
                ]

                def call() -> Any:
                    return self.stub.StreamingInputCall(
                        iter(requests), timeout=SECONDS, compression=compression
                    )

                if expected == (compression is not None):
                    expect("the sum", call().aggregated_payload_size, 73_086)
                else:
                    expect_status(grpc.StatusCode.INVALID_ARGUMENT, call)

    def server_compressed_unary(self) -> None:
        for compressed in (True, False):
            request = self.large()
            request.response_compressed.value = compressed
            answer = self.stub.UnaryCall(request, timeout=SECONDS)
            expect("the payload", answer.payload.body, bytes(314_159))

    def server_compressed_streaming(self) -> None:
        request = self.asking([31_415, 92_653])
        request.response_parameters[0].compressed.value = True
        request.response_parameters[1].compressed.value = False
        call = self.stub.StreamingOutputCall(request, timeout=SECONDS)
        expect("the sizes", [len(answer.payload.body) for answer in call], [31_415, 92_653])

    def deflate_is_refused(self) -> None:
        request = self.large()
        error = expect_status(
            grpc.StatusCode.UNIMPLEMENTED,
            lambda: self.stub.UnaryCall(
                request, timeout=SECONDS, compression=grpc.Compression.Deflate
            ),
        )
        expect("the message", error.details(), "grpc-encoding must be identity or gzip")

    def impossible_size(self) -> None:
        request = self.messages.SimpleRequest(response_size=-1)
        expect_status(
            grpc.StatusCode.INVALID_ARGUMENT,
            lambda: self.stub.UnaryCall(request, timeout=SECONDS),
        )

    def slow_consumer(self) -> None:
        """Stops reading in the middle of 16 MiB while other calls go on beside it."""
        call = self.stub.StreamingOutputCall(self.asking([64 * 1024] * 256), timeout=SECONDS)
        seen = 0
        for answer in call:
            expect("the size", len(answer.payload.body), 64 * 1024)
            seen += 1
            if seen % 64 == 1:
                for _ in range(16):
                    beside = self.stub.UnaryCall(self.large(), timeout=SECONDS)
                    expect("the payload beside it", len(beside.payload.body), 314_159)
        expect("the number of messages", seen, 256)


CASES = [
    Cases.empty_unary,
    Cases.large_unary,
    Cases.cacheable_unary,
    Cases.client_streaming,
    Cases.server_streaming,
    Cases.ping_pong,
    Cases.empty_stream,
    Cases.half_duplex,
    Cases.cancel_after_begin,
    Cases.cancel_after_first_response,
    Cases.timeout_on_sleeping_server,
    Cases.status_code_and_message,
    Cases.special_status_message,
    Cases.every_status,
    Cases.custom_metadata,
    Cases.unimplemented_method,
    Cases.unimplemented_service,
    Cases.client_compressed_unary,
    Cases.client_compressed_streaming,
    Cases.server_compressed_unary,
    Cases.server_compressed_streaming,
    Cases.deflate_is_refused,
    Cases.impossible_size,
    Cases.slow_consumer,
]


def main() -> int:
    names = [case.__name__ for case in CASES]
    parser = argparse.ArgumentParser(description="gRPC's interoperability cases, on grpcio.")
    parser.add_argument("target", help="e.g. 127.0.0.1:7800")
    parser.add_argument("case", nargs="*", help=f"all unless told, of {', '.join(names)}")
    tls.add_client_arguments(parser)
    arguments = parser.parse_args()
    for name in arguments.case:
        if name not in names:
            parser.error(f"there is no case {name}")
    cases = Cases(tls.channel(arguments))
    try:
        grpc.channel_ready_future(cases.channel).result(timeout=SECONDS)
    except grpc.FutureTimeoutError:
        print(f"FAIL  no gRPC server answers at {arguments.target}", file=sys.stderr)
        return 1
    report = Report()
    for case in CASES:
        if not arguments.case or case.__name__ in arguments.case:
            with report.check(case.__name__):
                case(cases)
    cases.channel.close()
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
