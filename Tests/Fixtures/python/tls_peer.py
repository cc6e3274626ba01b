#!/usr/bin/env python3
"""A stock gRPC client or server over TLS, for messages that are plain bytes.

usage: .bindery/python/bin/python Tests/Fixtures/python/tls_peer.py call TARGET [--ca FILE] [--cert FILE --key FILE]
       .bindery/python/bin/python Tests/Fixtures/python/tls_peer.py serve --cert FILE --key FILE [--client-ca FILE]

"call" sends two messages of different sizes to bindery.test.Echo/Update, checks that they come back,
and prints "ok", or the status code's name (then exit status 1). "serve" answers Update the same way
with the client's common name behind each message; it prints "ready ADDRESS" and runs until SIGTERM.
"""

import argparse
import concurrent.futures
import signal
import sys
import threading
from typing import Iterator, Optional

import grpc

METHOD = "/bindery.test.Echo/Update"


def content(path: Optional[str]) -> Optional[bytes]:
    if path is None:
        return None
    with open(path, "rb") as file:
        return file.read()


def call(arguments: argparse.Namespace) -> int:
    credentials = grpc.ssl_channel_credentials(
        content(arguments.ca), content(arguments.key), content(arguments.cert)
    )
    options = [("grpc.enable_http_proxy", 0)]
    messages = [b"one", bytes(range(256)) * 4_000]
    with grpc.secure_channel(arguments.target, credentials, options) as channel:
        try:
            answered = list(channel.stream_stream(METHOD)(iter(messages), timeout=10))
        except grpc.RpcError as error:
            print(error.code().name)
            return 1
    if answered != messages:
        print("other messages came back")
        return 1
    print("ok")
    return 0


def update(requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
    names = context.auth_context().get("x509_common_name", [b"nobody"])
    for request in requests:
        yield request + b" from " + names[0]


def serve(arguments: argparse.Namespace) -> int:
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(max_workers=8))
    handler = grpc.stream_stream_rpc_method_handler(update)
    server.add_generic_rpc_handlers(
        [grpc.method_handlers_generic_handler("bindery.test.Echo", {"Update": handler})]
    )
    credentials = grpc.ssl_server_credentials(
        [(content(arguments.key), content(arguments.cert))],
        content(arguments.client_ca),
        arguments.client_ca is not None,
    )
    port = server.add_secure_port("127.0.0.1:0", credentials)
    server.start()
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    print(f"ready 127.0.0.1:{port}", flush=True)
    stop.wait()
    server.stop(grace=1).wait()
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description="A stock gRPC client or server over TLS.")
    commands = parser.add_subparsers(required=True)
    calling = commands.add_parser("call")
    calling.add_argument("target")
    calling.add_argument("--ca")
    calling.add_argument("--cert")
    calling.add_argument("--key")
    calling.set_defaults(run=call)
    serving = commands.add_parser("serve")
    serving.add_argument("--cert", required=True)
    serving.add_argument("--key", required=True)
    serving.add_argument("--client-ca")
    serving.set_defaults(run=serve)
    arguments = parser.parse_args()
    return arguments.run(arguments)


if __name__ == "__main__":
    sys.exit(main())
