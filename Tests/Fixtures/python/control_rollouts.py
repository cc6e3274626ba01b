"""Admin, rollouts: created, looked at, paused, resumed, promoted and aborted."""

import json

import grpc

from control_admin import document, get
from control_session import SECONDS, Session
from report import expect, expect_status, expect_that


def rollouts(session: Session) -> None:
    report, admin, stub = session.report, session.admin, session.admin_stub
    spec = json.loads(get(session, "Human", "asha").spec_json)
    strategy = admin.RolloutStrategy(
        steps=[
            admin.RolloutStep(basis_points=100, hold_until_promoted=True),
            admin.RolloutStep(basis_points=10000, hold_until_promoted=True),
        ]
    )

    def create(name: str, display_name: str, **more: object) -> object:
        changed = document(session, "Human", "asha", {**spec, "display_name": display_name})
        request = admin.CreateRolloutRequest(
            documents=[changed], name=name, author="tests", reason="stock client",
            **{"strategy": strategy, "take_over": True, **more},
        )
        return stub.CreateRollout(request, timeout=SECONDS)

    def control(name: str, action: str) -> object:
        request = admin.ControlRolloutRequest(
            tenant=session.tenant, name=name, action=f"ROLLOUT_ACTION_{action}", author="tests"
        )
        return stub.ControlRollout(request, timeout=SECONDS)

    with report.check("Admin/CreateRollout") as seen:
        bad = admin.RolloutStrategy()
        expect_status(grpc.StatusCode.INVALID_ARGUMENT, lambda: create("r1", "A", strategy=bad))
        planned = create("r1", "A", dry_run=True)
        expect("planned", (planned.ok, planned.HasField("rollout")), (True, False))
        made = create("r1", "A")
        expect("state", (made.rollout.state, made.rollout.step), ("running", 0))
        expect_that(len(made.bindings) > 0, "no binding has a candidate")
        expect_status(grpc.StatusCode.FAILED_PRECONDITION, lambda: create("r2", "B"))
        seen.append(f"{len(made.bindings)} bindings")

    with report.check("Admin/GetRollout"):
        one = stub.GetRollout(
            admin.GetRolloutRequest(tenant=session.tenant, name="r1"), timeout=SECONDS
        )
        expect("what it carries", [it.slug for it in one.objects], ["asha"])
        nobody = admin.GetRolloutRequest(tenant=session.tenant, name="nobody")
        expect_status(
            grpc.StatusCode.NOT_FOUND, lambda: stub.GetRollout(nobody, timeout=SECONDS)
        )

    with report.check("Admin/ControlRollout") as seen:
        expect("paused", control("r1", "PAUSE").state, "paused")
        expect_status(grpc.StatusCode.FAILED_PRECONDITION, lambda: control("r1", "PAUSE"))
        expect("resumed", control("r1", "RESUME").state, "running")
        expect("next step", control("r1", "PROMOTE").step, 1)
        expect("aborted", control("r1", "ABORT").state, "aborted")
        expect("the words are back", json.loads(get(session, "Human", "asha").spec_json), spec)
        expect_status(grpc.StatusCode.FAILED_PRECONDITION, lambda: control("r1", "RESUME"))
        expect_status(grpc.StatusCode.NOT_FOUND, lambda: control("nobody", "ABORT"))
        create("r2", "B")
        expect("promoted", control("r2", "PROMOTE_FULLY").state, "promoted")
        seen.append("r1 aborted, r2 promoted")

    with report.check("Admin/ListRollouts"):
        answer = stub.ListRollouts(
            admin.ListRolloutsRequest(tenant=session.tenant), timeout=SECONDS
        )
        expect("newest first", [it.name for it in answer.rollouts], ["r2", "r1"])
