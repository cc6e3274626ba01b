"""Ledger: records of a spool, acknowledged once committed, counted once however often they come."""

import queue
from typing import Any

from control_admin import usage
from control_session import SECONDS, Session, now_ms, uuid7
from control_turns import inbound, turn_record
from report import expect, expect_that, wait_until

COMMITTED_TURNS = 4  # by CommitTurn: two on WhatsApp, the one held, one on the web


def record(session: Session, spool: bytes, sent: list[tuple[int, Any]]) -> tuple[int, list[Any]]:
    """Sends records on a stream of its own; the last acknowledgement and all set aside."""
    outbound: queue.Queue[Any] = queue.Queue()
    call = session.ledger_stub.Record(iter(outbound.get, None), timeout=SECONDS)
    for sequence, one in sent:
        outbound.put(
            session.ledger.RecordRequest(
                node_id=session.node, spool_incarnation=spool, sequence=sequence, record=one
            )
        )
    committed, set_aside = 0, []
    for answer in call:
        expect_that(answer.committed_sequence >= committed, "an acknowledgement went back")
        committed = answer.committed_sequence
        set_aside += answer.set_aside
        if committed >= sent[-1][0]:
            outbound.put(None)  # the stream stays open until all is acknowledged
    return committed, set_aside


def degraded_turn(session: Session) -> Any:
    """A turn that ran without the control plane, in a session opened on the node."""
    turn = session.conversations.BeginTurnResponse(
        turn_id=uuid7(),
        session=session.ledger.SessionRecord(
            session_id=uuid7(), channel="web", external_id="visitor-2",
            started_at_ms=now_ms(), last_active_at_ms=now_ms(), provisional=True, locale="en",
        ),
        inputs=[inbound(session, "client-2", "Anyone there?", account=False)],
    )
    result = turn_record(session, turn, "Yes")
    result.degraded = True
    return result


def ledger(session: Session) -> None:
    report = session.report
    spool = uuid7()
    first = None
    with report.check("Ledger/Record") as seen:
        first, second = degraded_turn(session), degraded_turn(session)
        second.session.CopyFrom(first.session)
        second.inputs[0].provider_message_id = second.messages[0].provider_message_id = "client-3"
        expect("acknowledgement", record(session, spool, [(1, first), (2, second)]), (2, []))
        seen.append("two turns that ran without the control plane")

    with report.check("Ledger/Record, again"):
        expect_that(first is not None, "not run: nothing was recorded")
        committed, set_aside = record(session, spool, [(1, first)])
        expect_that(committed >= 1, "what was committed is not acknowledged again")
        expect("set aside", set_aside, [])

    with report.check("Ledger/Record, set aside") as seen:
        foreign = degraded_turn(session)
        foreign.binding_id = uuid7()
        malformed = degraded_turn(session)
        malformed.turn_id = b"short"
        good = degraded_turn(session)
        good.session.CopyFrom(first.session)
        good.inputs[0].provider_message_id = good.messages[0].provider_message_id = "client-4"
        committed, set_aside = record(
            session, spool, [(3, foreign), (4, malformed), (5, good)]
        )
        expect("acknowledgement", committed, 5)
        codes = {it.sequence: it.code for it in set_aside}
        expect("set aside", codes, {3: "UNKNOWN_BINDING", 4: "MALFORMED"})
        seen.append("two that can't be stored do not hold up a third")

    with report.check("Admin/Usage") as seen:
        turns = COMMITTED_TURNS + 3
        wait_until("all turns are counted", lambda: any(
            row.turns >= turns for row in usage(session).rows
        ))
        rows = list(usage(session).rows)
        expect("rows", len(rows), 1)
        (row,) = rows
        expect("names", (row.tenant, row.binding, row.provider, row.model),
               (session.tenant, "front", "simulated", "stock-model"))
        expect("turns", row.turns, turns)
        expect("messages", row.messages, 2 * turns)
        expect("model_calls", row.model_calls, turns)
        expect("tool_calls", row.tool_calls, turns)
        expect("violations", row.violations, turns)
        expect("tokens", (row.tokens_in, row.tokens_out, row.cache_hit_tokens),
               (100 * turns, 25 * turns, 10 * turns))
        expect("cost_pico_usd", row.cost_pico_usd, 1_234_567 * turns)
        seen.append(f"{turns} turns, each once; {row.tokens_in}+{row.tokens_out} tokens")
