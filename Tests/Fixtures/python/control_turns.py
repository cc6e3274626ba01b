"""Conversations: one WhatsApp conversation and one on the web, from input to settled reply."""

from typing import Any

from control_session import SECONDS, Session, now_ms, uuid7
from report import expect, expect_that

EXTERNAL = "919812345678"
LEASE_MS = 60_000


def inbound(session: Session, provider_id: str, body: str, account: bool = True) -> Any:
    return session.conversations.InboundMessage(
        input_id=uuid7(),
        message_id=uuid7(),
        channel_account=session.tenant if account else "",
        provider_message_id=provider_id,
        body=body,
        received_at_ms=now_ms(),
        phone=EXTERNAL if account else "",
        display_name="Meera" if account else "",
        metadata_json='{"type":"text"}',
    )


def accept(session: Session, message: Any, external: str = EXTERNAL, binding: bytes = b"") -> str:
    """The disposition's name."""
    key = session.conversation("whatsapp", external)
    if binding:
        key.binding_id = binding
    answer = session.conversations_stub.Accept(
        session.conversations.AcceptRequest(
            conversation=key, message=message, quiet_ms=0, latest_ms=0
        ),
        timeout=SECONDS,
    )
    return session.conversations.AcceptResponse.Disposition.Name(answer.disposition)


def begin(session: Session, key: Any, message: Any | None = None) -> Any:
    return session.conversations_stub.BeginTurn(
        session.conversations.BeginTurnRequest(
            conversation=key,
            node_id=session.node,
            turn_id=uuid7(),
            new_session_id=uuid7(),
            message=message,
            lease_ms=LEASE_MS,
            history_limit=20,
            idle_ms=3_600_000,
            locale="hi",
        ),
        timeout=SECONDS,
    )


def begin_name(session: Session, answer: Any) -> str:
    return session.conversations.BeginTurnResponse.Disposition.Name(answer.disposition)


def turn_record(session: Session, turn: Any, body: str, outbox_state: int | None = None) -> Any:
    """What a node leaves behind after one model call that answered `turn`'s inputs."""
    learned, wire = session.learned, session.ledger
    at = now_ms()
    reply = uuid7()
    record = wire.TurnRecord(
        turn_id=turn.turn_id,
        tenant_id=learned.tenant_id,
        binding_id=learned.binding_id,
        binding_digest=learned.binding_digest,
        revision=learned.revision,
        pins=wire.Pins(
            human_version=1, team_version=1, agent_version=1,
            human_id=learned.human_id, team_id=learned.team_id, agent_id=learned.agent_id,
        ),
        session=turn.session,
        outcome=wire.TURN_OUTCOME_REPLIED,
    )
    record.session.last_active_at_ms = at
    for it in turn.inputs:
        record.messages.add(
            message_id=it.message_id, inbound=True, body=it.body,
            created_at_ms=it.received_at_ms, provider_message_id=it.provider_message_id,
        )
        record.inputs.add(
            input_id=it.input_id, message_id=it.message_id, channel_account=it.channel_account,
            provider_message_id=it.provider_message_id, received_at_ms=it.received_at_ms,
        )
    record.messages.add(message_id=reply, inbound=False, body=body, created_at_ms=at + 1)
    record.model_calls.add(
        call_id=uuid7(), provider="simulated", model="stock-model",
        requested_model="stock-model", in_uncached=90, cache_read=10, out_visible=20,
        out_reasoning=5, cost_pico_usd=1_234_567, latency_ms=40, ttft_ms=12,
        tier_tokens={"human": 60, "history": 40}, usage_source=wire.USAGE_SOURCE_PROVIDER,
        created_at_ms=at,
    )
    record.tool_calls.add(
        call_id=uuid7(), message_id=turn.inputs[0].message_id, tool_name="lookup_order",
        args_json='{"id":"ORD-1"}', result_json='{"ok":true}', latency_ms=7, created_at_ms=at,
    )
    record.violations.add(
        violation_id=uuid7(), tier="human", rule_id="stock.no-dosage", severity="rewrite",
        outbound_was_blocked=False, context_json='{"stage":"output"}', created_at_ms=at,
    )
    if outbox_state is not None:
        record.outbox.add(
            outbox_id=uuid7(), message_id=reply, channel_account=session.tenant,
            recipient=EXTERNAL, state=outbox_state,
        )
    return record


def commit(session: Session, key: Any, epoch: int, record: Any) -> tuple[str, int]:
    """The disposition's name, and when more is due."""
    answer = session.conversations_stub.CommitTurn(
        session.conversations.CommitTurnRequest(
            conversation=key, epoch=epoch, record=record,
            input_ids=[it.input_id for it in record.inputs],
        ),
        timeout=SECONDS,
    )
    names = session.conversations.CommitTurnResponse.Disposition
    return names.Name(answer.disposition), answer.next_due_in_ms


def whatsapp(session: Session) -> None:
    report, wire = session.report, session.conversations
    learned = session.learned
    first = inbound(session, "wamid.first", "Namaste")
    key = None

    with report.check("Conversations/Accept") as seen:
        key = session.conversation("whatsapp", EXTERNAL)
        expect("disposition", accept(session, first), "ACCEPTED")
        again = inbound(session, "wamid.first", "Namaste")
        expect("the same delivery again", accept(session, again), "DUPLICATE")
        expect("an unknown binding", accept(session, again, binding=uuid7()), "UNKNOWN")
        seen.append("once; then a duplicate")

    with report.check("Conversations/BeginTurn") as seen:
        turn = begin(session, key)
        expect("disposition", begin_name(session, turn), "LEASED")
        expect_that(turn.epoch > 0, "the epoch is not above 0")
        expect("inputs", [it.body for it in turn.inputs], ["Namaste"])
        expect("input_id", turn.inputs[0].input_id, first.input_id)
        expect("history", len(turn.history), 0)
        expect("journal", len(turn.journal), 0)
        expect("lengths of ids", (len(turn.user_id), len(turn.session.session_id)), (16, 16))
        expect("external_id", turn.session.external_id, EXTERNAL)
        learned.turn = turn
        other = begin(session, key)
        expect("another turn meanwhile", begin_name(session, other), "BUSY")
        expect_that(0 < other.due_in_ms <= LEASE_MS, f"due_in_ms is {other.due_in_ms}")
        seen.append(f"leased at epoch {turn.epoch}; a second turn is told to wait")

    with report.check("Conversations/Renew"):
        for epoch, wanted in ((learned.turn.epoch, True), (learned.turn.epoch + 1, False)):
            request = wire.RenewRequest(conversation=key, epoch=epoch, lease_ms=LEASE_MS)
            answer = session.conversations_stub.Renew(request, timeout=SECONDS)
            expect(f"renewed at epoch {epoch}", answer.renewed, wanted)

    with report.check("Conversations/Journal"):
        for epoch, wanted in ((learned.turn.epoch, True), (learned.turn.epoch + 1, False)):
            request = wire.JournalRequest(
                conversation=key,
                epoch=epoch,
                turn_id=learned.turn.turn_id,
                entry=wire.JournalEntry(
                    step=1, kind="tool_started", payload_json='{"tool":"lookup_order"}'
                ),
            )
            answer = session.conversations_stub.Journal(request, timeout=SECONDS)
            expect(f"accepted at epoch {epoch}", answer.accepted, wanted)

    record = None
    with report.check("Conversations/CommitTurn") as seen:
        turn = learned.turn
        pending = session.ledger.OUTBOX_STATE_PENDING
        record = turn_record(session, turn, "Namaste ji", outbox_state=pending)
        stale = commit(session, key, turn.epoch + 1, record)
        expect("under another epoch", stale[0], "FENCED")
        expect("the commit", commit(session, key, turn.epoch, record), ("COMMITTED", -1))
        again = commit(session, key, turn.epoch, record)
        expect("the commit again", again[0], "ALREADY_COMMITTED")
        seen.append("fenced, committed, already committed")

    with report.check("Conversations/SettleOutbox"):
        expect_that(record is not None, "not run: nothing was committed")
        outbox = session.ledger.OutboxRecord()
        outbox.CopyFrom(record.outbox[0])
        outbox.state = session.ledger.OUTBOX_STATE_SENT
        outbox.provider_message_id = "wamid.reply"
        outbox.attempts = 1
        request = wire.SettleOutboxRequest(tenant_id=learned.tenant_id, outbox=outbox)
        for _ in range(2):  # the report may be sent again
            session.conversations_stub.SettleOutbox(request, timeout=SECONDS)

    with report.check("Conversations, second turn") as seen:
        second = inbound(session, "wamid.second", "Order ORD-1?")
        expect("disposition", accept(session, second), "ACCEPTED")
        turn = begin(session, key)
        expect("disposition", begin_name(session, turn), "LEASED")
        expect_that(turn.epoch > learned.turn.epoch, "the epoch did not rise")
        expect("session", turn.session.session_id, learned.turn.session.session_id)
        expect("history", [(it.inbound, it.body) for it in turn.history],
               [(True, "Namaste"), (False, "Namaste ji")])
        expect("provider's id of the reply", turn.history[1].provider_message_id, "wamid.reply")
        record = turn_record(session, turn, "It is on its way")
        expect("the commit", commit(session, key, turn.epoch, record), ("COMMITTED", -1))
        expect("a turn without inputs", begin_name(session, begin(session, key)), "NOTHING_DUE")
        seen.append("same session, history of two messages")


def web(session: Session) -> None:
    with session.report.check("Conversations/BeginTurn, web") as seen:
        key = session.conversation("web", "visitor-1")
        message = inbound(session, "client-1", "Hello", account=False)
        turn = begin(session, key, message)
        expect("disposition", begin_name(session, turn), "LEASED")
        expect("inputs", [it.body for it in turn.inputs], ["Hello"])
        record = turn_record(session, turn, "Hello there")
        expect("the commit", commit(session, key, turn.epoch, record), ("COMMITTED", -1))
        again = begin(session, key, message)
        expect("the same message again", begin_name(session, again), "DUPLICATE")
        seen.append("the message came with the call, and counts once")
