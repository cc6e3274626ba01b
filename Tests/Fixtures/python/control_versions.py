"""Admin, the past: history, diff, rollback, reads of a revision, retention."""

import json

import grpc

from control_admin import document, expect_accepted, get
from control_session import SECONDS, Session
from report import expect, expect_status, expect_that


def versions(session: Session) -> None:
    report, admin, stub = session.report, session.admin, session.admin_stub
    name = {"kind": "Human", "tenant": session.tenant, "slug": "ravi"}
    before = get(session, "Human", "ravi")
    spec = json.loads(before.spec_json)

    with report.check("Admin/Apply, expected versions") as seen:
        changed = document(session, "Human", "ravi", {**spec, "display_name": "Ravi Kumar"})

        def apply_expecting(version: int) -> object:
            request = admin.ApplyRequest(
                documents=[changed], reason="renamed", author="tests",
                expected=[admin.ObjectVersion(version=version, **name)],
            )
            return stub.Apply(request, timeout=SECONDS)

        expect_status(grpc.StatusCode.ABORTED, lambda: apply_expecting(before.version + 7))
        expect("version", get(session, "Human", "ravi").version, before.version)
        expect_accepted(apply_expecting(before.version))
        expect_status(grpc.StatusCode.ABORTED, lambda: apply_expecting(before.version))
        seen.append("an old one is ABORTED")

    with report.check("Admin/Apply, sources") as seen:
        def apply_from(source: str, **more: object) -> object:
            request = admin.ApplyRequest(documents=[changed], source=source, **more)
            return stub.Apply(request, timeout=SECONDS)

        expect("adopted", [it.action for it in apply_from("one").changes], ["adopt"])
        expect("ok", apply_from("two").ok, False)
        expect("taken over", apply_from("two", take_over=True).ok, True)
        expect("source", get(session, "Human", "ravi").source, "two")
        expect_status(
            grpc.StatusCode.INVALID_ARGUMENT, lambda: apply_from("", prune=True)
        )
        seen.append("one adopts, two takes over")

    with report.check("Admin/History") as seen:
        answer = stub.History(admin.HistoryRequest(**name), timeout=SECONDS)
        expect("versions", [it.version for it in answer.versions],
               list(range(before.version + 1, 0, -1)))
        newest = answer.versions[0]
        expect("why and who", (newest.reason, newest.author), ("renamed", "tests"))
        page = stub.History(admin.HistoryRequest(page_size=1, **name), timeout=SECONDS)
        expect("pages", (len(page.versions), page.more), (1, True))
        expect_status(
            grpc.StatusCode.NOT_FOUND,
            lambda: stub.History(
                admin.HistoryRequest(kind="Human", tenant=session.tenant, slug="nobody"),
                timeout=SECONDS,
            ),
        )
        seen.append(f"{len(answer.versions)} versions")

    with report.check("Admin/Diff"):
        answer = stub.Diff(admin.DiffRequest(**name), timeout=SECONDS)
        expect("fields", [(it.path, it.before_json, it.after_json) for it in answer.fields],
               [("/display_name", '"Ravi"', '"Ravi Kumar"')])
        expect_status(
            grpc.StatusCode.NOT_FOUND,
            lambda: stub.Diff(admin.DiffRequest(to_version=99, **name), timeout=SECONDS),
        )

    with report.check("Admin/Rollback") as seen:
        def roll_back(**more: object) -> object:
            request = admin.RollbackRequest(to_version=before.version, **name, **more)
            return stub.Rollback(request, timeout=SECONDS)

        expect("dry run", roll_back(dry_run=True).revision, 0)
        expect_status(grpc.StatusCode.ABORTED, lambda: roll_back(expected_version=99))
        answer = roll_back(expected_version=newest.version, author="tests")
        expect_accepted(answer)
        now = get(session, "Human", "ravi")
        expect("version", now.version, newest.version + 1)
        expect("spec", json.loads(now.spec_json), spec)
        seen.append(f"version {now.version} is as {before.version} was")

    with report.check("Admin/Get, List, ListRoutes, at a revision") as seen:
        request = admin.GetRequest(at_revision=newest.revision, **name)
        expect("version then", stub.Get(request, timeout=SECONDS).object.version, newest.version)
        request = admin.ListRequest(
            kind="Human", tenant=session.tenant, at_revision=session.learned.revision
        )
        page = stub.List(request, timeout=SECONDS)
        expect("version then", {it.slug: it.version for it in page.objects}["ravi"], 1)
        expect("revision", page.revision, session.learned.revision)
        for revision in (0, session.learned.revision):
            request = admin.ListRoutesRequest(tenant=session.tenant, at_revision=revision)
            routes = stub.ListRoutes(request, timeout=SECONDS).routes
            expect("routes", [(it.channel, it.key, it.binding) for it in routes],
                   [("web", session.host, "front"), ("whatsapp", session.number, "front")])
        future = admin.GetRequest(at_revision=10**9, **name)
        expect_status(grpc.StatusCode.NOT_FOUND, lambda: stub.Get(future, timeout=SECONDS))
        seen.append(f"as of {session.learned.revision} and {newest.revision}")

    with report.check("Admin/GetRetention, SetRetention, PruneHistory") as seen:
        kept = stub.GetRetention(admin.GetRetentionRequest(), timeout=SECONDS)
        expect("for ever", kept.keep_days, 0)
        changed_to = stub.SetRetention(
            admin.SetRetentionRequest(keep_days=3650, keep_revisions=10, reason="tests",
                                      author="tests"),
            timeout=SECONDS,
        )
        expect("set", (changed_to.keep_days, changed_to.changed_by), (3650, "tests"))
        expect_status(
            grpc.StatusCode.INVALID_ARGUMENT,
            lambda: stub.SetRetention(
                admin.SetRetentionRequest(keep_days=-1, keep_revisions=1), timeout=SECONDS
            ),
        )
        pruned = stub.PruneHistory(admin.PruneHistoryRequest(dry_run=True), timeout=SECONDS)
        expect("versions", pruned.versions, 0)
        expect_that(pruned.oldest_revision <= session.learned.revision, "too much would go")
        seen.append("nothing is ten years old")
