#!/usr/bin/env python3
"""gRPC's interoperability service on stock grpcio: what our own client transport is tested against.

What grpcio does not tell a service is whether a request came compressed: expect_compressed is not
checked.

usage: .bindery/python/bin/python Tests/Fixtures/python/interop_server.py [ADDRESS] [--tls-cert FILE --tls-key FILE
           [--tls-client-ca FILE]]
ADDRESS is a loopback address, 127.0.0.1:0 unless told. Prints "ready ADDRESS" once it listens, and
runs until it gets SIGTERM or SIGINT.
"""

import argparse
import concurrent.futures
import sys
import threading
from typing import Any, Iterator

import grpc

import protos
import stopping
import tls

MODULES = protos.interop()
EMPTY = MODULES["empty"][0]
MESSAGES = MODULES["messages"][0]
STUBS = MODULES["test"][1]
CODES = {code.value[0]: code for code in grpc.StatusCode}
INITIAL = "x-grpc-test-echo-initial"
TRAILING = "x-grpc-test-echo-trailing-bin"


class TestService(STUBS.TestServiceServicer):
    """Leaves UnimplementedCall out, on purpose: the base class answers UNIMPLEMENTED."""

    def EmptyCall(self, request: Any, context: grpc.ServicerContext) -> Any:
        return EMPTY.Empty()

    def UnaryCall(self, request: Any, context: grpc.ServicerContext) -> Any:
        if request.response_compressed.value:
            context.set_compression(grpc.Compression.Gzip)
        echo_metadata(context)
        end_if_asked(request, context)
        return MESSAGES.SimpleResponse(payload=zeros(request.response_size))

    def CacheableUnaryCall(self, request: Any, context: grpc.ServicerContext) -> Any:
        return self.UnaryCall(request, context)

    def StreamingOutputCall(self, request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        context.set_compression(grpc.Compression.Gzip)
        echo_metadata(context)
        yield from answers(request, context)

    def StreamingInputCall(self, requests: Iterator[Any], context: grpc.ServicerContext) -> Any:
        echo_metadata(context)
        return MESSAGES.StreamingInputCallResponse(
            aggregated_payload_size=sum(len(request.payload.body) for request in requests)
        )

    def FullDuplexCall(
        self, requests: Iterator[Any], context: grpc.ServicerContext
    ) -> Iterator[Any]:
        echo_metadata(context)
        for request in requests:
            yield from answers(request, context)

    def HalfDuplexCall(
        self, requests: Iterator[Any], context: grpc.ServicerContext
    ) -> Iterator[Any]:
        echo_metadata(context)
        for request in list(requests):
            yield from answers(request, context)


def zeros(size: int) -> Any:
    return MESSAGES.Payload(body=bytes(size))


def echo_metadata(context: grpc.ServicerContext) -> None:
    metadata = context.invocation_metadata()
    context.send_initial_metadata([pair for pair in metadata if pair[0] == INITIAL])
    context.set_trailing_metadata([pair for pair in metadata if pair[0] == TRAILING])


def end_if_asked(request: Any, context: grpc.ServicerContext) -> None:
    if request.HasField("response_status") and request.response_status.code != 0:
        context.abort(CODES[request.response_status.code], request.response_status.message)


def answers(request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
    end_if_asked(request, context)
    ended = threading.Event()
    if not context.add_callback(ended.set):
        return
    for parameters in request.response_parameters:
        # The end of the call ends the wait.
        if parameters.interval_us > 0 and ended.wait(parameters.interval_us / 1_000_000):
            return
        if not parameters.compressed.value:
            context.disable_next_message_compression()
        yield MESSAGES.StreamingOutputCallResponse(payload=zeros(parameters.size))


def main() -> int:
    parser = argparse.ArgumentParser(description="gRPC's interoperability service on grpcio.")
    parser.add_argument("address", nargs="?", default="127.0.0.1:0")
    tls.add_server_arguments(parser)
    arguments = parser.parse_args()
    address = arguments.address
    if not address.startswith(("127.0.0.1:", "[::1]:")):
        parser.error("only loopback addresses")
    server = grpc.server(
        concurrent.futures.ThreadPoolExecutor(max_workers=32),
        options=[("grpc.max_send_message_length", -1), ("grpc.so_reuseport", 0)],
    )
    STUBS.add_TestServiceServicer_to_server(TestService(), server)
    credentials = tls.server_credentials(arguments)
    port = (
        server.add_secure_port(address, credentials)
        if credentials
        else server.add_insecure_port(address)
    )
    server.start()
    stop = threading.Event()
    stopping.on_signal(stop.set)
    print(f"ready {address.rpartition(':')[0]}:{port}", flush=True)
    stop.wait()
    server.stop(grace=2).wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
