"""Admin, authoring: apply, get, list, and what they refuse."""

import json
from typing import Any

import grpc

from control_session import SECONDS, Session, id_bytes
from report import expect, expect_status, expect_that


def documents(session: Session, greeting: str = "Namaste") -> list[Any]:
    """A tenant with all five kinds; two humans, so that a list has two pages."""
    specs = {
        ("Tenant", session.tenant): {
            "display_name": "Stock client",
            "stale_policy": "refuse",
            "paused_policy": "hold",
            "channel_accounts": [
                {
                    "channel": "whatsapp",
                    "slug": session.tenant,
                    "phone_number_id": f"1{session.number}",
                    "display_number": session.number,
                    "app_secret_ref": "app_secret",
                    "verify_token_ref": "verify_token",
                    "access_token_ref": "access_token",
                }
            ],
        },
        ("Human", "asha"): {
            "display_name": "Asha",
            "voice": {"tone": ["warm"], "register": "informal"},
            "languages": ["hi", "en"],
            "greeting": {"hi": greeting, "en": "Hello"},
            "guardrails": [
                {
                    "rule_id": "stock.no-dosage",
                    "kind": "regex",
                    "stages": ["output"],
                    "severity": "rewrite",
                    "params": {"pattern": "\\b\\d+\\s?mg\\b"},
                    "rewrite": {"mode": "replace", "with": "[ask your doctor]"},
                }
            ],
        },
        ("Human", "ravi"): {"display_name": "Ravi", "languages": ["en"]},
        ("Team", "desk"): {
            "display_name": "Desk",
            "department": "support",
            "members": ["asha", "ravi"],
            "sops": ["Greet first, then ask for the order number."],
        },
        ("Agent", "runtime"): {
            "display_name": "Runtime",
            "model_routing": {"default": "simulated"},
            "max_tool_iterations": 3,
        },
        ("Binding", "front"): {
            "human": "asha",
            "team": "desk",
            "agent": "runtime",
            "channels": ["whatsapp", "web"],
            "routes": {"whatsapp": session.number, "web": [session.host]},
        },
    }
    return [document(session, kind, slug, spec) for (kind, slug), spec in specs.items()]


def document(session: Session, kind: str, slug: str, spec: dict[str, Any]) -> Any:
    return session.admin.Document(
        kind=kind,
        tenant=session.tenant,
        slug=slug,
        spec_json=json.dumps(spec, ensure_ascii=False),
        source=f"{slug}.yaml:1",
    )


def apply(session: Session, sent: list[Any], dry_run: bool = False) -> Any:
    return session.admin_stub.Apply(
        session.admin.ApplyRequest(
            documents=sent, dry_run=dry_run, reason="stock client", author="tests"
        ),
        timeout=SECONDS,
    )


def expect_accepted(answer: Any) -> None:
    errors = [f"{d.code} {d.slug}{d.path}: {d.message}" for d in answer.diagnostics
              if d.level == "error"]
    expect("errors", errors, [])
    expect("ok", answer.ok, True)


def actions(answer: Any) -> dict[tuple[str, str], str]:
    return {(change.kind, change.slug): change.action for change in answer.changes}


def get(session: Session, kind: str, slug: str) -> Any:
    request = session.admin.GetRequest(kind=kind, tenant=session.tenant, slug=slug)
    return session.admin_stub.Get(request, timeout=SECONDS).object


def authoring(session: Session) -> None:
    report, learned = session.report, session.learned
    sent = documents(session)
    names = {(one.kind, one.slug) for one in sent}

    with report.check("Admin/Apply, dry run") as seen:
        answer = apply(session, sent, dry_run=True)
        expect_accepted(answer)
        expect("revision", answer.revision, 0)
        expect("actions", actions(answer), dict.fromkeys(names, "create"))
        expect_status(
            grpc.StatusCode.NOT_FOUND, lambda: get(session, "Tenant", session.tenant)
        )
        seen.append(f"plans {len(names)} objects, stores none")

    with report.check("Admin/Apply") as seen:
        answer = apply(session, sent)
        expect_accepted(answer)
        expect("actions", actions(answer), dict.fromkeys(names, "create"))
        expect("versions", {change.to_version for change in answer.changes}, {1})
        expect("compiled", list(answer.recompiled_bindings), [f"{session.tenant}/front"])
        expect_that(answer.revision > 0, "no revision was made")
        learned.revision = answer.revision
        seen.append(f"{len(names)} objects at revision {answer.revision}")

    with report.check("Admin/ApplyAll") as seen:
        first, *rest = (session.admin.ApplyRequest(documents=[one]) for one in sent)
        first.dry_run = True
        answer = session.admin_stub.ApplyAll(iter([first, *rest]), timeout=SECONDS)
        expect_accepted(answer)
        expect("actions", actions(answer), dict.fromkeys(names, "unchanged"))
        seen.append(f"{len(names)} messages are one set")

    with report.check("Admin/Apply, again") as seen:
        answer = apply(session, sent)
        expect_accepted(answer)
        changed = {name for name, action in actions(answer).items() if action != "unchanged"}
        expect("what changed", changed, set())
        expect_that(answer.revision >= learned.revision, "the revision went back")
        seen.append("nothing changes")

    with report.check("Admin/Apply, invalid") as seen:
        broken = document(
            session, "Binding", "broken", {"human": "nobody", "team": "desk", "agent": "runtime"}
        )
        answer = apply(session, [broken])
        expect("ok", answer.ok, False)
        errors = [d for d in answer.diagnostics if d.level == "error"]
        expect_that(bool(errors), "no diagnostic is an error")
        for it in errors:
            expect("slug", it.slug, f"{session.tenant}/broken")
            expect_that(bool(it.code and it.message), "a diagnostic has no code or message")
            expect_that(it.source.startswith("broken.yaml"), f"source is '{it.source}'")
        expect_status(grpc.StatusCode.NOT_FOUND, lambda: get(session, "Binding", "broken"))
        seen.append(f"{', '.join(sorted({it.code for it in errors}))}, nothing stored")

    with report.check("Admin/Apply, no JSON"):
        bad = document(session, "Human", "bad", {})
        bad.spec_json = '{"languages": ['
        expect_status(grpc.StatusCode.INVALID_ARGUMENT, lambda: apply(session, [bad]))
    with report.check("Admin/Apply, empty"):
        expect_status(grpc.StatusCode.INVALID_ARGUMENT, lambda: apply(session, []))

    with report.check("Admin/Get") as seen:
        tenant = get(session, "Tenant", session.tenant)
        expect("status", tenant.status, "active")
        learned.tenant_id = id_bytes(tenant.id)
        binding = get(session, "Binding", "front")
        expect("status of the binding", binding.status, "active")
        learned.binding_id = id_bytes(binding.id)
        human = get(session, "Human", "asha")
        expect("display_name", human.display_name, "Asha")
        expect("version", human.version, 1)
        expect("languages", json.loads(human.spec_json).get("languages"), ["hi", "en"])
        learned.human_id = id_bytes(human.id)
        learned.team_id = id_bytes(get(session, "Team", "desk").id)
        learned.agent_id = id_bytes(get(session, "Agent", "runtime").id)
        seen.append("five objects with what was applied")
    with report.check("Admin/Get, unknown"):
        expect_status(grpc.StatusCode.NOT_FOUND, lambda: get(session, "Human", "nobody"))
    with report.check("Admin/Get, no such kind"):
        expect_status(grpc.StatusCode.INVALID_ARGUMENT, lambda: get(session, "Robot", "asha"))

    with report.check("Admin/List") as seen:
        expect("humans", [it.slug for it in listed(session, "Human")], ["asha", "ravi"])
        for kind, slug in (("Team", "desk"), ("Agent", "runtime"), ("Binding", "front")):
            expect(kind, [it.slug for it in listed(session, kind)], [slug])
        tenants = [it.slug for it in listed(session, "Tenant")]
        expect("tenants", tenants, [session.tenant])
        seen.append("two pages of humans, one of each other kind")


def listed(session: Session, kind: str) -> list[Any]:
    """All objects of a kind, one a page."""
    objects: list[Any] = []
    token = ""
    while True:
        request = session.admin.ListRequest(
            kind=kind, tenant=session.tenant, page_size=1, page_token=token
        )
        page = session.admin_stub.List(request, timeout=SECONDS)
        expect_that(len(page.objects) <= 1, "a page holds more than was asked for")
        objects += page.objects
        token = page.next_page_token
        if not token:
            return objects
        expect_that(len(objects) < 100, "the pages do not end")


def usage(session: Session) -> Any:
    request = session.admin.UsageRequest(tenant=session.tenant)
    return session.admin_stub.Usage(request, timeout=SECONDS)
