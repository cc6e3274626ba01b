#!/usr/bin/env python3
"""The echo service (echo.proto) on stock grpcio: what our own client transport is tested against.

usage: .bindery/python/bin/python Tests/Fixtures/python/echo_server.py [ADDRESS]
ADDRESS is a loopback address, 127.0.0.1:0 unless told, or unix:/path. Prints "ready ADDRESS" once
it listens, and runs until it gets SIGTERM or SIGINT.
"""

import argparse
import concurrent.futures
import sys
import threading
from typing import Any, Iterator

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

import protos
import stopping

MESSAGES, STUBS = protos.echo()
CODES = {code.value[0]: code for code in grpc.StatusCode}


class Echo(STUBS.EchoServicer):
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.counts = {"held": 0, "released": 0}

    def count(self, what: str) -> None:
        with self.lock:
            self.counts[what] += 1

    def begin(self, context: grpc.ServicerContext) -> dict[str, Any]:
        """Does what the request's metadata asks for; returns it."""
        metadata = context.invocation_metadata()
        asked = {key: value for key, value in metadata}
        if "echo-fail" in asked:
            context.set_trailing_metadata([("why", "because"), ("raw-bin", b"\x00\xff\x01")])
            context.abort(CODES[int(asked["echo-fail"])], "nö: 100% of\nit")
        echoed = [(key, value) for key, value in metadata if key.startswith("x-")]
        context.send_initial_metadata([(f"initial-{key}", value) for key, value in echoed])
        context.set_trailing_metadata([(f"trailing-{key}", value) for key, value in echoed])
        if "echo-hold" in asked:
            ended = threading.Event()
            if not context.add_callback(ended.set):
                ended.set()
            self.count("held")
            ended.wait()
            self.count("released")
        return asked

    def Get(self, request: Any, context: grpc.ServicerContext) -> Any:
        report = self.begin(context).get("echo-report")
        if report:
            with self.lock:
                return MESSAGES.EchoResponse(count=self.counts[report])
        return response(request, request.count)

    def Collect(self, requests: Iterator[Any], context: grpc.ServicerContext) -> Any:
        self.begin(context)
        parts = list(requests)
        return MESSAGES.EchoResponse(
            text="".join(part.text for part in parts),
            payload=b"".join(part.payload for part in parts),
            count=len(parts),
        )

    def Expand(self, request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        self.begin(context)
        for number in range(request.count):
            yield response(request, number)

    def Update(self, requests: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Any]:
        self.begin(context)
        for number, request in enumerate(requests):
            yield response(request, number)


def response(request: Any, count: int) -> Any:
    return MESSAGES.EchoResponse(text=request.text, payload=request.payload, count=count)


def main() -> int:
    parser = argparse.ArgumentParser(description="The echo service on stock grpcio.")
    parser.add_argument("address", nargs="?", default="127.0.0.1:0")
    address = parser.parse_args().address
    if not address.startswith(("127.0.0.1:", "[::1]:", "unix:")):
        parser.error("only loopback addresses and unix sockets")
    server = grpc.server(
        concurrent.futures.ThreadPoolExecutor(max_workers=32),
        options=[("grpc.max_send_message_length", -1), ("grpc.so_reuseport", 0)],
    )
    STUBS.add_EchoServicer_to_server(Echo(), server)
    states = health.HealthServicer()
    states.set("", health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(states, server)
    port = server.add_insecure_port(address)
    server.start()
    bound = address if address.startswith("unix:") else f"{address.rpartition(':')[0]}:{port}"
    stop = threading.Event()
    stopping.on_signal(stop.set)
    print(f"ready {bound}", flush=True)
    stop.wait()
    server.stop(grace=2).wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
