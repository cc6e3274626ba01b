"""Distribution, and the part of Admin that shows how far a change has come."""

import uuid
from typing import Any

import grpc

from control_admin import actions, apply, documents, expect_accepted
from control_session import SECONDS, Session
from control_watch import Watch, expect_digest
from report import expect, expect_status, expect_that, wait_until


def snapshot(session: Session, watch: Watch) -> None:
    """What a node with nothing in hand gets, and how it is seen from outside."""
    learned = session.learned
    with session.report.check("Distribution/Watch, snapshot") as seen:
        watch.until("a snapshot", lambda: watch.cursor >= learned.revision)
        expect("snapshots", watch.snapshots, 1)
        expect("tenants", set(watch.tenants), {learned.tenant_id})
        tenant = watch.tenants[learned.tenant_id]
        expect("tenant's slug", tenant.slug, session.tenant)
        expect("tenant's status", tenant.status, session.distribution.TENANT_STATUS_ACTIVE)
        expect("bindings", set(watch.bindings), {learned.binding_id})
        binding = watch.bindings[learned.binding_id]
        expect("is_active", binding.is_active, True)
        kinds = sorted(watch.sections[digest].kind for digest in binding.section_digests)
        expect("kinds of sections", kinds, [1, 2, 3, 4])
        routes = {("whatsapp", session.number), ("web", session.host)}
        expect("routes", set(watch.routes), routes)
        owners = {route.binding_id for route in watch.routes.values()}
        expect("where the routes lead", owners, {learned.binding_id})
        account = watch.accounts.get(session.tenant)
        expect_that(account is not None, "the channel account is missing")
        expect("app_secret_ref", account.app_secret_ref, "app_secret")
        learned.binding_digest = binding.digest
        seen.append(f"revision {watch.cursor}, {len(watch.sections)} sections, digests agree")

    with session.report.check("Distribution/Watch, heartbeat") as seen:
        sequence = watch.send_status(spool_depth=3, active_turns=2)
        watch.until(
            "the heartbeat",
            lambda: watch.heartbeat is not None and watch.heartbeat.status_seq == sequence,
        )
        expect_that(watch.heartbeat.revision >= watch.cursor, "the heartbeat is behind")
        seen.append(f"lease of {watch.heartbeat.lease_ms} ms")

    with session.report.check("Admin/ListNodes") as seen:
        wait_until("the node is listed at its revision", lambda: (
            (node := listed(session)) is not None and node.revision >= learned.revision
            and node.spool_depth == 3
        ))
        node = listed(session)
        expect("connected", node.connected, True)
        expect("region", node.region, "test")
        expect("version", node.version, "stock-python")
        expect("active_turns", node.active_turns, 2)
        expect("edges", list(node.edges), ["127.0.0.1:1"])
        expect("rejections", len(node.rejections), 0)
        expect("told by this replica itself", (node.replica, node.age_ms), ("", 0))
        seen.append(f"{session.node} at revision {node.revision}")

    with session.report.check("Admin/ForgetNode") as seen:
        for name, code in (
            (session.node, grpc.StatusCode.FAILED_PRECONDITION),
            ("nobody", grpc.StatusCode.NOT_FOUND),
        ):
            request = session.admin.ForgetNodeRequest(node_id=name)
            expect_status(
                code,
                lambda request=request: session.admin_stub.ForgetNode(request, timeout=SECONDS),
            )
        seen.append("a connected one is refused")


def listed(session: Session) -> Any | None:
    """The node of this run, as the control plane knows it."""
    answer = session.admin_stub.ListNodes(session.admin.ListNodesRequest(), timeout=SECONDS)
    nodes = [node for node in answer.nodes if node.node_id == session.node]
    expect_that(len(nodes) <= 1, "the node is listed twice")
    return nodes[0] if nodes else None


def change(session: Session, watch: Watch) -> None:
    """A new persona: its way to the node, and how that is seen from outside."""
    learned = session.learned
    with session.report.check("Distribution/Watch, delta") as seen:
        before = watch.bindings[learned.binding_id]
        sections = set(watch.sections)
        watch.acknowledges = False
        answer = apply(session, documents(session, greeting="Ram ram"))
        expect_accepted(answer)
        changed = {name for name, action in actions(answer).items() if action != "unchanged"}
        expect("what changed", changed, {("Human", "asha")})
        expect_that(answer.revision > learned.revision, "no new revision was made")
        learned.revision = answer.revision
        watch.until("the delta", lambda: watch.cursor >= answer.revision)
        expect("snapshots", watch.snapshots, 1)
        after = watch.bindings[learned.binding_id]
        expect_that(after.digest != before.digest, "the binding kept its digest")
        came = set(watch.sections) - sections
        expect("new sections", len(came), 1)
        content = watch.sections[came.pop()].content.decode()
        expect_that("Ram ram" in content, "the new section does not hold the new greeting")
        learned.binding_digest = after.digest
        seen.append(f"revision {watch.cursor}: one new section, the binding names it")

    with session.report.check("Admin/Wait, unconfirmed"):
        last = wait(session, learned.revision, timeout_ms=200)
        expect_that(session.node in last.unconfirmed, "the node counts without having answered")

    with session.report.check("Admin/Wait") as seen:
        watch.acknowledges = True
        watch.ack(watch.cursor)
        last = wait(session, learned.revision)
        expect("unconfirmed", list(last.unconfirmed), [])
        expect_confirmed(session, last, seen)

    with session.report.check("Distribution/Fetch") as seen:
        key = session.distribution.ResourceKey(
            kind=session.distribution.RESOURCE_KIND_BINDING,
            key=str(uuid.UUID(bytes=learned.binding_id)),
            tenant_id=learned.tenant_id,
        )
        unknown = session.distribution.ResourceKey(
            kind=session.distribution.RESOURCE_KIND_BINDING,
            key="01890000-0000-7000-8000-000000000000",
            tenant_id=learned.tenant_id,
        )
        answer = session.distribution_stub.Fetch(
            session.distribution.FetchRequest(
                keys=[key, unknown], at_revision=watch.cursor, node_id=session.node
            ),
            timeout=SECONDS,
        )
        expect_that(answer.revision >= watch.cursor, "an older revision was read")
        found = {it.binding_id: it for it in answer.changes.bindings}
        expect("bindings", set(found), {learned.binding_id})
        binding = found[learned.binding_id]
        expect("digest", binding.digest, learned.binding_digest)
        expect_digest("binding", binding)
        expect(
            "sections",
            {section.digest for section in answer.changes.sections},
            set(binding.section_digests),
        )
        seen.append("the binding with its sections; an unknown key is absent")


def wait(session: Session, revision: int, tenant: str = "", timeout_ms: int = 0) -> Any:
    """The last message of a wait."""
    request = session.admin.WaitRequest(
        revision=revision, tenant=tenant, timeout_ms=timeout_ms
    )
    messages = list(session.admin_stub.Wait(request, timeout=SECONDS + 30))
    expect_that(bool(messages), "the wait ended without a word")
    expect("done in the messages", [it.done for it in messages],
           [False] * (len(messages) - 1) + [True])
    return messages[-1]


def expect_confirmed(session: Session, last: Any, seen: list[str]) -> None:
    ours = [it for it in last.confirmed if it.node_id == session.node]
    expect("confirmations of the node", len(ours), 1)
    expect("by_lease", ours[0].by_lease, False)
    expect_that(ours[0].after_us >= 0, "confirmed before the commit")
    seen.append(f"confirmed {ours[0].after_us / 1000:g} ms after the commit")


def resume(session: Session, watch: Watch) -> Watch:
    """Leaves, misses a change, and comes back with the cursor."""
    with session.report.check("Distribution/Watch, resume") as seen:
        watch.close()
        wait_until("the node counts as gone", lambda: (
            (node := listed(session)) is not None and not node.connected
        ))
        answer = apply(session, documents(session, greeting="Pranam"))
        expect_accepted(answer)
        session.learned.revision = answer.revision
        again = Watch(session, resume=watch)
        again.until("the missed delta", lambda: again.cursor >= answer.revision)
        expect("resumed", again.resumed, True)
        expect("snapshots", again.snapshots, 0)
        session.learned.binding_digest = again.bindings[session.learned.binding_id].digest
        seen.append(f"from {watch.cursor} to {again.cursor} without a snapshot")
        return again
    return watch
