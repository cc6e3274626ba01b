#!/usr/bin/env python3
"""Calls every method of a running bindery-control as a stock gRPC client.

usage: .bindery/python/bin/python Tests/Fixtures/python/control_client.py TARGET
TARGET is what grpcio takes, e.g. 127.0.0.1:7400 or unix:/run/control.sock. One line a check; exit
status 1 when one fails, or when a method of bindery.v1 was not called at all.

It makes a tenant of its own with a random name, acts as its only node, and archives it at the end.
No other node should be connected: it would take the work that is waited for here.
"""

import argparse
import sys

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

import control_admin
import control_distribution
import control_ledger
import control_people
import control_rollouts
import control_switches
import control_tokens
import control_turns
import control_versions
from control_session import SECONDS, Session
from control_watch import Watch
from report import expect, expect_status

SERVICES = ("Admin", "Distribution", "Conversations", "Ledger")


def health(session: Session) -> None:
    """By the stubs of grpcio-health-checking, not by our own copy of the protocol."""
    stub = health_pb2_grpc.HealthStub(session.channel)
    serving = health_pb2.HealthCheckResponse.SERVING
    names = ["", *(f"bindery.v1.{name}" for name in SERVICES)]
    with session.report.check("Health/Check") as seen:
        for name in names:
            answer = stub.Check(health_pb2.HealthCheckRequest(service=name), timeout=SECONDS)
            expect(f"the state of '{name}'", answer.status, serving)
        unknown = health_pb2.HealthCheckRequest(service="no.such.Service")
        expect_status(grpc.StatusCode.NOT_FOUND, lambda: stub.Check(unknown, timeout=SECONDS))
        seen.append(f"the server and {len(SERVICES)} services serve")
    with session.report.check("Health/Watch"):
        for name, wanted in (
            ("", serving),
            ("no.such.Service", health_pb2.HealthCheckResponse.SERVICE_UNKNOWN),
        ):
            call = stub.Watch(health_pb2.HealthCheckRequest(service=name), timeout=SECONDS)
            expect(f"the state of '{name}'", next(call).status, wanted)
            call.cancel()
            expect("the status of the watch", call.code(), grpc.StatusCode.CANCELLED)
    with session.report.check("Health/List"):
        answer = stub.List(health_pb2.HealthListRequest(), timeout=SECONDS)
        states = {name: answer.statuses[name].status for name in names if name in answer.statuses}
        expect("the states", states, dict.fromkeys(names, serving))


def unknown_names(session: Session) -> None:
    for path in ("/bindery.v1.Admin/Nothing", "/bindery.v1.Nothing/Get"):
        with session.report.check(f"unknown {path}"):
            call = session.raw_channel.unary_unary(path)
            expect_status(grpc.StatusCode.UNIMPLEMENTED, lambda: call(b"", timeout=SECONDS))


def coverage(session: Session) -> None:
    with session.report.check("every method was called") as seen:
        methods = session.all_methods()
        expect("methods never called", sorted(methods - session.recorder.methods), [])
        seen.append(f"{len(methods)} methods of bindery.v1")


def run(session: Session) -> int:
    health(session)
    unknown_names(session)
    control_admin.authoring(session)
    control_tokens.tokens(session)
    watch = None
    with session.report.check("Distribution/Watch, hello"):
        watch = Watch(session)
    if watch is not None:
        control_distribution.snapshot(session, watch)
        control_distribution.change(session, watch)
    control_turns.whatsapp(session)
    control_turns.web(session)
    if watch is not None:
        control_switches.pause_and_resume(session, watch)
    control_ledger.ledger(session)
    control_people.people(session)
    if watch is not None:
        watch = control_distribution.resume(session, watch)
        control_switches.archive(session, watch)
    control_versions.versions(session)
    control_rollouts.rollouts(session)
    coverage(session)
    session.raw_channel.close()
    return session.report.finish()


def main() -> int:
    parser = argparse.ArgumentParser(description="Calls every method of a bindery-control.")
    parser.add_argument("target", help="e.g. 127.0.0.1:7400 or unix:/run/control.sock")
    session = Session(parser.parse_args().target)
    try:
        grpc.channel_ready_future(session.raw_channel).result(timeout=SECONDS)
    except grpc.FutureTimeoutError:
        print(f"FAIL  no gRPC server answers at {session.target}", file=sys.stderr)
        return 1
    return run(session)


if __name__ == "__main__":
    sys.exit(main())
