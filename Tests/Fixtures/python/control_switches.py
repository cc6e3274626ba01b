"""Pause, resume and archive, with the work that a resume gives out (Conversations.Claim)."""

import queue
import threading
from typing import Any

import grpc

from control_distribution import expect_confirmed, wait
from control_session import SECONDS, Session
from control_turns import (
    EXTERNAL, accept, begin, begin_name, commit, inbound, turn_record,
)
from control_watch import Watch
from report import Mismatch, expect, expect_status


def set_status(session: Session, status: str) -> Any:
    value = session.distribution.TenantStatus.Value(f"TENANT_STATUS_{status}")
    request = session.admin.SetTenantStatusRequest(
        tenant=session.tenant, status=value, reason="stock client", author="tests"
    )
    return session.admin_stub.SetTenantStatus(request, timeout=SECONDS)


def switch(session: Session, watch: Watch, status: str, seen: list[str]) -> None:
    """Switches the tenant and follows the switch to the node and back."""
    value = session.distribution.TenantStatus.Value(f"TENANT_STATUS_{status}")
    tenant = session.learned.tenant_id
    answer = set_status(session, status)
    expect("changed", answer.changed, True)
    watch.until(
        f"the switch to {status}",
        lambda: tenant in watch.switches
        and watch.switches[tenant].switch_revision >= answer.revision,
    )
    control = watch.switches[tenant]
    expect("switch_revision", control.switch_revision, answer.revision)
    expect("status", control.status, value)
    expect_confirmed(session, wait(session, answer.revision, tenant=session.tenant), seen)
    # The same commit comes as data too, by its own way.
    watch.until("the tenant's new record", lambda: watch.cursor >= answer.revision)
    expect("status in the record", watch.tenants[tenant].status, value)
    session.learned.revision = answer.revision


def pause_and_resume(session: Session, watch: Watch) -> None:
    report = session.report
    key = None
    with report.check("Admin/SetTenantStatus, pause") as seen:
        key = session.conversation("whatsapp", EXTERNAL)
        switch(session, watch, "PAUSED", seen)
        expect("changed, the second time", set_status(session, "PAUSED").changed, False)

    with report.check("Conversations, paused") as seen:
        held = inbound(session, "wamid.held", "Are you there?")
        expect("Accept", accept(session, held), "HELD")
        expect("BeginTurn", begin_name(session, begin(session, key)), "HELD")
        seen.append("the message is kept, no turn begins")

    with report.check("Conversations/Claim") as seen:
        claim = Claim(session)
        resumed: list[str] = []
        switch(session, watch, "ACTIVE", resumed)
        offer = claim.wait_for(key)
        expect("reason", offer.reason, session.conversations.ClaimResponse.RESUMED)
        turn = begin(session, key)
        expect("BeginTurn", begin_name(session, turn), "LEASED")
        expect("inputs", [it.body for it in turn.inputs], ["Are you there?"])
        record = turn_record(session, turn, "Yes, back again")
        expect("the commit", commit(session, key, turn.epoch, record), ("COMMITTED", -1))
        claim.cancel()
        seen.append("the resume gave out the message that was kept")

    with report.check("Admin/SetTenantStatus, unknown"):
        request = session.admin.SetTenantStatusRequest(
            tenant="no-such-tenant", status=session.distribution.TENANT_STATUS_PAUSED
        )
        expect_status(
            grpc.StatusCode.NOT_FOUND,
            lambda: session.admin_stub.SetTenantStatus(request, timeout=SECONDS),
        )


def archive(session: Session, watch: Watch) -> None:
    with session.report.check("Admin/SetTenantStatus, archive") as seen:
        switch(session, watch, "ARCHIVED", seen)
        late = inbound(session, "wamid.late", "Hello?")
        expect("Accept", accept(session, late), "REFUSED")


class Claim:
    """A stream of Conversations.Claim, read by a thread; other tenants' work is left alone."""

    def __init__(self, session: Session) -> None:
        request = session.conversations.ClaimRequest(node_id=session.node, capacity=8)
        self._call = session.conversations_stub.Claim(request, timeout=60)
        self._offers: queue.Queue[Any] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        try:
            for offer in self._call:
                self._offers.put(offer)
        except grpc.RpcError:
            pass  # the code is asked for below
        self._offers.put(None)

    def wait_for(self, key: Any) -> Any:
        """The first offer for a conversation."""
        while True:
            try:
                offer = self._offers.get(timeout=SECONDS)
            except queue.Empty as error:
                raise Mismatch(f"no work was offered within {SECONDS} s") from error
            if offer is None:
                raise Mismatch(f"the claim ended: {self._call.code()}")
            if offer.conversation == key:
                return offer

    def cancel(self) -> None:
        self._call.cancel()
        while self._offers.get(timeout=SECONDS) is not None:
            pass
        expect("the status of the claim", self._call.code(), grpc.StatusCode.CANCELLED)
