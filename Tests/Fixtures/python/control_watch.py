"""A node's watch stream, small and strict: every rule of the stream is held against what comes."""

import hashlib
import queue
import threading
import uuid
from typing import Any, Callable, Iterator

import grpc

from control_session import SECONDS, Session
from report import Mismatch, expect, expect_that, shorten


class Watch:
    """One stream of Distribution.Watch, with what a node would hold.

    Applies and acknowledges as it reads, within `until`. Not for several threads.
    """

    def __init__(self, session: Session, resume: "Watch | None" = None) -> None:
        self.session = session
        self.wire = session.distribution
        self.incarnation: bytes = resume.incarnation if resume else b""
        self.cursor: int = resume.cursor if resume else 0
        self.bindings: dict[bytes, Any] = dict(resume.bindings) if resume else {}
        self.sections: dict[bytes, Any] = dict(resume.sections) if resume else {}
        self.routes: dict[tuple[str, str], Any] = dict(resume.routes) if resume else {}
        self.tenants: dict[bytes, Any] = dict(resume.tenants) if resume else {}
        self.accounts: dict[str, Any] = dict(resume.accounts) if resume else {}
        self.switches: dict[bytes, Any] = {}
        self.heartbeat: Any | None = None
        self.resumed = False
        self.snapshots = 0
        self.status_seq = 0
        self.acknowledges = True
        self._snapshot_revision: int | None = None
        self._pending: list[Any] = []  # changes of a snapshot or delta that is not whole yet
        self._outbound: queue.Queue[Any] = queue.Queue()
        self._inbound: queue.Queue[Any] = queue.Queue()
        # The deadline bounds a run that hangs; a watch is otherwise open for as long as its node.
        self._call = session.distribution_stub.Watch(self._requests(), timeout=120)
        threading.Thread(target=self._read, daemon=True).start()
        self._send(
            hello=self.wire.Hello(
                node_id=session.node,
                region="test",
                version="stock-python",
                store_incarnation=self.incarnation,
                resume_revision=self.cursor,
                mode=self.wire.WATCH_MODE_EAGER,
                filter=self.wire.WatchFilter(tenant_ids=[session.learned.tenant_id]),
                edges=["127.0.0.1:1"],
            )
        )

    def _requests(self) -> Iterator[Any]:
        yield from iter(self._outbound.get, None)

    def _read(self) -> None:
        try:
            for message in self._call:
                self._inbound.put(message)
            self._inbound.put(Mismatch("the control plane ended the watch stream"))
        except grpc.RpcError as error:
            self._inbound.put(Mismatch(f"the watch stream broke: {error.code().name}"))

    def _send(self, **message: Any) -> None:
        self._outbound.put(self.wire.WatchRequest(**message))

    def close(self) -> None:
        """Half-closes; the control plane ends the stream."""
        self._outbound.put(None)
        while not isinstance(self._inbound.get(timeout=SECONDS), Mismatch):
            pass
        expect("the status of the stream", self._call.code(), grpc.StatusCode.OK)

    # MARK: what the node says

    def ack(self, revision: int) -> None:
        self._send(ack=self.wire.Ack(revision=revision, applied=True))

    def ack_control(self, control: Any) -> None:
        self._send(
            ack=self.wire.Ack(
                revision=control.switch_revision,
                applied=True,
                control=self.wire.ControlAck(
                    tenant_id=control.tenant_id, switch_revision=control.switch_revision
                ),
            )
        )

    def send_status(self, spool_depth: int = 0, active_turns: int = 0) -> int:
        self.status_seq += 1
        self._send(
            status=self.wire.NodeStatus(
                status_seq=self.status_seq,
                revision=self.cursor,
                spool_depth=spool_depth,
                active_turns=active_turns,
            )
        )
        return self.status_seq

    # MARK: what the control plane says

    def until(self, what: str, condition: Callable[[], bool]) -> None:
        """Reads until the condition holds."""
        while not condition():
            try:
                message = self._inbound.get(timeout=SECONDS)
            except queue.Empty as error:
                raise Mismatch(f"{what}: nothing came for {SECONDS} s") from error
            if isinstance(message, Mismatch):
                self._inbound.put(message)
                raise message
            self._receive(message)

    def _receive(self, response: Any) -> None:
        kind = response.WhichOneof("message")
        message = getattr(response, kind) if kind else None
        if kind == "resumed":
            expect("resumed from", getattr(message, "from"), self.cursor)  # a Python keyword
            expect("store_incarnation", message.store_incarnation, self.incarnation)
            self.resumed = True
        elif kind == "snapshot_begin":
            expect("length of store_incarnation", len(message.store_incarnation), 16)
            self.incarnation = message.store_incarnation
            self._snapshot_revision = message.revision
            self._pending = []
        elif kind == "snapshot_chunk":
            expect_that(self._snapshot_revision is not None, "a chunk outside of a snapshot")
            self._pending.append(message)
        elif kind == "snapshot_end":
            expect("revision of the snapshot's end", message.revision, self._snapshot_revision)
            self._snapshot_revision = None
            self.snapshots += 1
            for held in (
                self.bindings, self.sections, self.routes, self.tenants, self.accounts
            ):
                held.clear()
            self._apply(message.revision)
        elif kind == "delta_chunk":
            self._pending.append(message)
        elif kind == "delta":
            expect("from_revision", message.from_revision, self.cursor)
            expect_that(message.revision > self.cursor, "a delta does not move forward")
            self._pending.append(message.changes)
            self._apply(message.revision)
        elif kind == "control":
            held = self.switches.get(message.tenant_id)
            if held is None or held.switch_revision < message.switch_revision:
                self.switches[message.tenant_id] = message
            if self.acknowledges:
                self.ack_control(message)
        elif kind == "heartbeat":
            expect_that(message.lease_ms > 0, "a heartbeat gives no lease")
            self.heartbeat = message
        else:
            raise Mismatch(f"an EAGER node got {kind}: {shorten(response)}")

    def _apply(self, revision: int) -> None:
        for changes in self._pending:
            for section in changes.sections:
                expect_digest("section", section)
                self.sections[section.digest] = section
            for binding in changes.bindings:
                expect_digest("binding", binding)
                self.bindings[binding.binding_id] = binding
            for route in changes.routes:
                self.routes[route.channel, route.key] = route
            for tenant in changes.tenants:
                self.tenants[tenant.tenant_id] = tenant
            for account in changes.channel_accounts:
                self.accounts[account.slug] = account
            for key in changes.removed:
                self._remove(key)
        self._pending = []
        self.cursor = revision
        # Whole at every revision: a binding never names a section that has not come.
        for binding in self.bindings.values():
            missing = [d for d in binding.section_digests if d not in self.sections]
            expect("sections that a binding names and the node lacks", missing, [])
        if self.acknowledges:
            self.ack(revision)

    def _remove(self, key: Any) -> None:
        parts = key.key.split("/")
        if key.kind == self.wire.RESOURCE_KIND_BINDING:
            self.bindings.pop(uuid.UUID(key.key).bytes, None)
        elif key.kind == self.wire.RESOURCE_KIND_ROUTE:
            self.routes.pop((parts[0], parts[1]), None)
        elif key.kind == self.wire.RESOURCE_KIND_TENANT:
            self.tenants.pop(uuid.UUID(key.key).bytes, None)
        elif key.kind == self.wire.RESOURCE_KIND_CHANNEL_ACCOUNT:
            self.accounts.pop(parts[2], None)
        elif key.kind == self.wire.RESOURCE_KIND_SECTION:
            self.sections.pop(bytes.fromhex(parts[1]), None)
        else:
            raise Mismatch(f"a removal of kind {key.kind}")


def expect_digest(what: str, resource: Any) -> None:
    expect_that(
        hashlib.sha256(resource.content).digest() == resource.digest,
        f"the digest of a {what} is not the SHA-256 of its content",
    )
