#!/usr/bin/env python3
"""Sends odd requests to a server of gRPC's interoperability service, over a raw HTTP/2 client.

usage: .bindery/python/bin/python Tests/Fixtures/python/odd_requests.py TARGET
TARGET is HOST:PORT. One line a check; exit status 1 when one fails. After every odd request an
ordinary call on the same connection must be answered.
"""

import argparse
import gzip
import sys
import zlib

import grpc

from http2 import Answer, Connection, message
from report import Report, expect

EMPTY = "/grpc.testing.TestService/EmptyCall"
UNARY = "/grpc.testing.TestService/UnaryCall"
DUPLEX = "/grpc.testing.TestService/FullDuplexCall"
MIB = 1024 * 1024


class Odd:
    def __init__(self, target: str) -> None:
        self.target = target
        self.report = Report()

    def status(self, name: str, wanted: grpc.StatusCode | None, path: str = EMPTY, **how) -> Answer:
        """The request must end with this gRPC status."""
        answer = Answer()
        with self.report.check(name) as seen, Connection(self.target) as connection:
            answer = self.exchange(connection, path, **how)
            expect(":status", answer.status, "200")
            expect("grpc-status", answer.grpc_status, str(wanted.value[0]))
            expect("content-type", answer.headers.get("content-type"), "application/grpc")
            seen.append(wanted.name)
            self.still_serves(connection)
        return answer

    def http(self, name: str, wanted: str, path: str = EMPTY, **how) -> None:
        """The request must be answered with this HTTP status."""
        with self.report.check(name) as seen, Connection(self.target) as connection:
            answer = self.exchange(connection, path, **how)
            expect(":status", answer.status, wanted)
            seen.append(wanted)
            self.still_serves(connection)

    def reset(self, name: str, wanted: int, path: str = EMPTY, **how) -> None:
        """The request is malformed HTTP/2: its stream must be reset (RFC 9113 section 8.1.1)."""
        with self.report.check(name) as seen, Connection(self.target) as connection:
            answer = connection.answer(connection.request(path, **how))
            expect("the code of RST_STREAM", answer.reset, wanted)
            seen.append(f"RST_STREAM {wanted}")
            self.still_serves(connection)

    def exchange(self, connection: Connection, path: str, end: bool = True, **how) -> Answer:
        """A request that is not ended must be given up by the server after its answer, with
        RST_STREAM and no error (RFC 9113 section 8.1)."""
        answer = connection.answer(connection.request(path, end=end, **how), until_reset=not end)
        expect("the code of RST_STREAM", answer.reset, None if end else 0)
        return answer

    def still_serves(self, connection: Connection) -> None:
        answer = connection.answer(connection.request(EMPTY, message()))
        expect("grpc-status of the next call", answer.grpc_status, "0")
        expect("the next answer", answer.body, message())

    def run(self) -> int:
        code = grpc.StatusCode
        whole = message()
        # What is right, so that the checks below fail for the reason that they name.
        self.status("an ordinary call", code.OK, body=whole)
        self.status("content-type with +proto", code.OK, body=whole, content_type="application/grpc+proto")
        self.status("content-type with a parameter", code.OK, body=whole, content_type="application/grpc;x=y")
        self.status("a message byte by byte", code.OK, body=[bytes([byte]) for byte in whole])
        self.status("trailers in the request", code.OK, body=whole, trailers=[("x-end", "1")])
        self.status("grpc-encoding identity", code.OK, body=whole, grpc_encoding="identity")
        # The request's head.
        self.http("content-type text/plain", "415", body=whole, content_type="text/plain")
        self.http("content-type application/grpcx", "415", body=whole, content_type="application/grpcx")
        self.http("content-type missing", "415", body=whole, without=("content-type",))
        self.http("GET", "405", p_method="GET")
        self.http("PUT", "405", body=whole, p_method="PUT")
        self.status("te missing", code.INVALID_ARGUMENT, body=whole, without=("te",))
        self.reset("te with another value", 1, body=whole, te="gzip")
        self.status("unknown method", code.UNIMPLEMENTED, "/grpc.testing.TestService/No", body=whole)
        self.status("unknown service", code.UNIMPLEMENTED, "/grpc.testing.No/EmptyCall", body=whole)
        for path in ("/", "/one", "/one/", "//two", "/one/two/three"):
            self.status(f"path {path}", code.UNIMPLEMENTED, path, body=whole)
        self.reset("path without a slash", 1, "one/two", body=whole)
        for timeout in ("1", "S", "123456789S", "1.5S", "-1S", "1s", ""):
            self.status(f"grpc-timeout {timeout!r}", code.INTERNAL, body=whole, grpc_timeout=timeout)
        self.status("grpc-timeout 0n", code.DEADLINE_EXCEEDED, DUPLEX, end=False, grpc_timeout="0n")
        self.status("grpc-timeout 99999999H", code.OK, body=whole, grpc_timeout="99999999H")
        self.reset("grpc-timeout ' 1S', no field value", 1, body=whole, grpc_timeout=" 1S")
        self.http("text/plain, not ended", "415", body=whole, content_type="text/plain", end=False)
        self.status("unknown method, not ended", code.UNIMPLEMENTED, "/a.B/C", body=whole, end=False)
        self.status("te missing, not ended", code.INVALID_ARGUMENT, without=("te",), end=False)
        # Messages.
        self.status("no message", code.INTERNAL, UNARY)
        self.status("two messages", code.INTERNAL, UNARY, body=whole + whole)
        # grpc-swift's choice; other implementations say INTERNAL.
        self.status("no protobuf", code.INVALID_ARGUMENT, UNARY, body=message(b"\xff" * 9))
        self.status("cut off in the prefix", code.INTERNAL, DUPLEX, body=whole[:3])
        self.status("cut off in the message", code.INTERNAL, DUPLEX, body=message(b"1234", length=10))
        self.status(
            "cut off, then trailers", code.INTERNAL, DUPLEX, body=message(b"1", length=9), trailers=[("x", "y")]
        )
        # Only the prefix is sent and nothing is ended: the length alone must do.
        self.status(
            "oversize by its prefix", code.RESOURCE_EXHAUSTED, DUPLEX, body=message(length=5 * MIB), end=False
        )
        self.status(
            "length of 4 GiB", code.RESOURCE_EXHAUSTED, DUPLEX, body=message(length=2**32 - 1), end=False
        )
        # Compression.
        self.status("flagged compressed, no encoding", code.INTERNAL, DUPLEX, body=message(b"x", flag=1))
        self.status(
            "flagged compressed, identity", code.INTERNAL, DUPLEX, body=message(b"x", flag=1), grpc_encoding="identity"
        )
        self.status("flag 2", code.INTERNAL, DUPLEX, body=message(b"x", flag=2))
        zipped = gzip.compress(b"")
        self.status("gzip", code.OK, body=message(zipped, flag=1), grpc_encoding="gzip")
        self.status("gzip agreed and not used", code.OK, body=whole, grpc_encoding="gzip")
        for name, body in (
            ("no gzip", b"hello"),
            ("empty gzip", b""),
            ("gzip cut off", zipped[:-1]),
            ("gzip and more", zipped + b"x"),
            ("deflate for gzip", zlib.compress(b"")),
        ):
            self.status(name, code.INTERNAL, DUPLEX, body=message(body, flag=1), grpc_encoding="gzip")
        self.status("gzip, flag 2", code.INTERNAL, DUPLEX, body=message(b"x", flag=2), grpc_encoding="gzip")
        bomb = gzip.compress(bytes(12 * MIB))
        self.status(
            "gzip bomb", code.RESOURCE_EXHAUSTED, DUPLEX, body=message(bomb, flag=1), end=False, grpc_encoding="gzip"
        )
        self.answered_as_asked()
        answer = self.status("unknown encoding", code.UNIMPLEMENTED, body=message(b"x", flag=1), grpc_encoding="lzma")
        with self.report.check("unknown encoding, what is taken") as seen:
            accepted = answer.headers.get("grpc-accept-encoding", "")
            expect("grpc-accept-encoding", accepted, "identity,gzip")
            seen.append(accepted)
        self.abandoned()
        return self.report.finish()

    def answered_as_asked(self) -> None:
        """An answer is compressed only for who takes that."""
        # response_size=10000, response_compressed={value=true}
        asking = message(bytes([0x10, 0x90, 0x4E, 0x32, 0x02, 0x08, 0x01]))
        for accepted, wanted in (
            ("gzip", "gzip"),
            ("identity, deflate, gzip", "gzip"),
            ("identity,deflate", None),
            ("gzipped", None),
            ("", None),
        ):
            name = f"an answer for {accepted or 'nothing'}"
            with self.report.check(name) as seen, Connection(self.target) as connection:
                how = {"grpc_accept_encoding": accepted} if accepted else {}
                answer = self.exchange(connection, UNARY, body=asking, **how)
                expect("grpc-status", answer.grpc_status, "0")
                expect("grpc-encoding", answer.headers.get("grpc-encoding"), wanted)
                expect("the flag", answer.body[0], 1 if wanted else 0)
                expect("the length", int.from_bytes(answer.body[1:5], "big"), len(answer.body) - 5)
                body = gzip.decompress(answer.body[5:]) if wanted else answer.body[5:]
                expect("the length of the message", len(body), 10_006)
                seen.append(wanted or "identity")

    def abandoned(self) -> None:
        with self.report.check("reset in the middle of a message") as seen:
            with Connection(self.target) as connection:
                for error in range(14):
                    stream = connection.request(DUPLEX, message(b"1", length=9), end=False)
                    connection.h2.reset_stream(stream, error_code=error)
                    connection.flush()
                    self.still_serves(connection)
                seen.append("with every error code")


def main() -> int:
    parser = argparse.ArgumentParser(description="Sends odd requests to a gRPC server.")
    parser.add_argument("target", help="HOST:PORT")
    return Odd(parser.parse_args().target).run()


if __name__ == "__main__":
    sys.exit(main())
