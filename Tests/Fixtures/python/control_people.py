"""Admin, people: export, erasure, receipts."""

import hashlib
import json

import grpc

from control_session import SECONDS, Session
from control_turns import EXTERNAL
from report import expect, expect_status, expect_that


def people(session: Session) -> None:
    report, admin, stub = session.report, session.admin, session.admin_stub
    person = admin.UserSelector(tenant=session.tenant, phone="+" + EXTERNAL)
    nobody = admin.UserSelector(tenant=session.tenant, phone="+919800000000")

    def export(user: object) -> bytes:
        request = admin.ExportUserRequest(user=user, reason="asked", author="tests")
        return b"".join(it.piece for it in stub.ExportUser(request, timeout=SECONDS))

    def erase(user: object, **more: object) -> object:
        request = admin.EraseUserRequest(user=user, author="tests", **more)
        return stub.EraseUser(request, timeout=SECONDS)

    with report.check("Admin/ExportUser") as seen:
        text = export(person)
        body, last = text.rstrip(b"\n").rsplit(b"\n", 1)
        expect_that(isinstance(json.loads(text), dict), "the export is no JSON object")
        expect_that(EXTERNAL.encode() in text, "the export does not name the person")
        digest = hashlib.sha256(body + b"\n").hexdigest()
        expect_that(digest.encode() in last, "the last line has not the digest of the others")
        expect_status(grpc.StatusCode.NOT_FOUND, lambda: export(nobody))
        seen.append(f"{len(text)} bytes")

    with report.check("Admin/EraseUser") as seen:
        counted = erase(person, dry_run=True)
        expect("a receipt of a dry run", counted.HasField("receipt"), False)
        expect_status(grpc.StatusCode.INVALID_ARGUMENT, lambda: erase(person))
        expect_status(
            grpc.StatusCode.INVALID_ARGUMENT, lambda: erase(person, reason="+" + EXTERNAL)
        )
        done = erase(person, reason="asked")
        expect("rows", list(done.rows), list(counted.rows))
        expect_that(sum(it.removed for it in done.rows) > 0, "nothing was removed")
        expect(
            "the digest", done.receipt.digest,
            hashlib.sha256(done.receipt.receipt_json.encode()).hexdigest(),
        )
        expect_that(EXTERNAL not in done.receipt.receipt_json, "the receipt names the person")
        expect_status(grpc.StatusCode.NOT_FOUND, lambda: erase(person, reason="asked"))
        expect_status(grpc.StatusCode.NOT_FOUND, lambda: export(person))
        seen.append(f"{sum(it.removed for it in done.rows)} rows")

    with report.check("Admin/ListErasures"):
        answer = stub.ListErasures(
            admin.ListErasuresRequest(tenant=session.tenant, user=person), timeout=SECONDS
        )
        expect("receipts", [it.id for it in answer.receipts], [done.receipt.id])
