internal import Domain
internal import Foundation
internal import Postgres
internal import Wire

/// Messages, model calls, tool calls and violations of one record.
struct TurnCalls {
  let record: Bindery_V1_TurnRecord
  let turnID: UUID
  let heads: TurnHeads

  func messages() throws -> SQL {
    let rows = try record.messages.map { it -> JSONValue in
      .object([
        "id": try RecordField.id(it.messageID, "messages.message_id"),
        "direction": .string(it.inbound ? "inbound" : "outbound"),
        "body": RecordField.text(it.body), "created_ms": .int(it.createdAtMs),
        "provider_id": it.providerMessageID.isEmpty
          ? .null : RecordField.text(it.providerMessageID),
        "metadata": try RecordField.json(
          it.metadataJson,
          empty: .object([:]),
          "messages.metadata_json"
        ),
      ])
    }
    return SQL(
      """
      insert into messages (id, tenant_id, session_id, direction, channel, body, metadata, turn_id,
        provider_message_id, created_at)
      select r.id, \(heads.tenantID)::uuid, \(heads.sessionID)::uuid, r.direction,
        \(record.session.channel), r.body, r.metadata, \(turnID)::uuid, r.provider_id,
        to_timestamp(r.created_ms / 1000.0)
      from jsonb_to_recordset(\(try RecordField.rows(rows))::jsonb) as r (id uuid, direction text,
        body text, created_ms bigint, provider_id text, metadata jsonb)
      on conflict do nothing
      """,
      name: "turn-messages"
    )
  }

  func modelCalls() throws -> SQL {
    let rows = try record.modelCalls.map(row)
    return SQL(
      """
      insert into llm_calls (id, tenant_id, session_id, binding_id, turn_id, provider, model,
        requested_model, tokens_in, tokens_out, cache_hit_tokens, cache_write_5m_tokens,
        cache_write_1h_tokens, reasoning_tokens, cost_usd, cost_pico_usd, latency_ms, ttft_ms,
        metadata, usage_source, error, request_id, price_table, created_at)
      select r.id, \(heads.tenantID)::uuid, \(heads.sessionID)::uuid, \(heads.bindingID)::uuid,
        \(turnID)::uuid, r.provider, r.model, r.requested_model, r.tokens_in, r.tokens_out,
        r.cache_read, r.write_5m, r.write_1h, r.reasoning, round(r.cost / 1e12::numeric, 6), r.cost,
        r.latency_ms, r.ttft_ms, r.metadata, r.usage_source, r.error, r.request_id, r.price_table,
        to_timestamp(r.created_ms / 1000.0)
      from jsonb_to_recordset(\(try RecordField.rows(rows))::jsonb) as r (id uuid, provider text,
        model text, requested_model text, tokens_in int, tokens_out int, cache_read int,
        write_5m int, write_1h int, reasoning int, cost bigint, latency_ms int, ttft_ms int,
        metadata jsonb, usage_source text, error text, request_id text, price_table text,
        created_ms bigint)
      on conflict do nothing
      """,
      name: "turn-model-calls"
    )
  }

  /// The node counts in disjoint buckets; the columns count what went in and what came out.
  func row(_ it: Bindery_V1_ModelCallRecord) throws -> JSONValue {
    let tokensIn =
      Int64(it.inUncached) + Int64(it.cacheRead) + Int64(it.cacheWrite5M) + Int64(it.cacheWrite1H)
    let tiers = it.tierTokens.mapValues { JSONValue.int(Int64($0)) }
    let source =
      switch it.usageSource {
      case .partial: "partial"
      case .estimated: "estimated"
      default: "provider"
      }
    return .object([
      "id": try RecordField.id(it.callID, "model_calls.call_id"),
      "provider": RecordField.text(it.provider), "model": RecordField.text(it.model),
      "requested_model": RecordField.text(it.requestedModel), "tokens_in": .int(tokensIn),
      "tokens_out": .int(Int64(it.outVisible) + Int64(it.outReasoning)),
      "cache_read": .int(Int64(it.cacheRead)), "write_5m": .int(Int64(it.cacheWrite5M)),
      "write_1h": .int(Int64(it.cacheWrite1H)), "reasoning": .int(Int64(it.outReasoning)),
      "cost": it.hasCostPicoUsd ? .int(it.costPicoUsd) : .null,
      "latency_ms": .int(Int64(it.latencyMs)),
      "ttft_ms": it.hasTtftMs ? .int(Int64(it.ttftMs)) : .null,
      "metadata": .object(["tier_tokens": .object(tiers)]), "usage_source": .string(source),
      "error": it.error.isEmpty ? .null : RecordField.text(it.error),
      "request_id": it.requestID.isEmpty ? .null : RecordField.text(it.requestID),
      "price_table": it.priceTable.isEmpty ? .null : RecordField.text(it.priceTable),
      "created_ms": .int(it.createdAtMs),
    ])
  }

  /// The message may be missing: that of an attempt which never committed.
  func toolCalls() throws -> SQL {
    let rows = try record.toolCalls.map { it -> JSONValue in
      .object([
        "id": try RecordField.id(it.callID, "tool_calls.call_id"),
        "message": try RecordField.optionalID(it.messageID, "tool_calls.message_id"),
        "name": RecordField.text(it.toolName),
        "args": try RecordField.json(it.argsJson, empty: .object([:]), "tool_calls.args_json"),
        "result": try RecordField.json(it.resultJson, empty: .null, "tool_calls.result_json"),
        "latency_ms": .int(Int64(it.latencyMs)),
        "error": it.error.isEmpty ? .null : RecordField.text(it.error),
        "created_ms": .int(it.createdAtMs),
      ])
    }
    return SQL(
      """
      insert into tool_calls (id, tenant_id, session_id, message_id, turn_id, tool_name, args,
        result, latency_ms, error, created_at)
      select r.id, \(heads.tenantID)::uuid, \(heads.sessionID)::uuid, (
          select m.id from messages m
          where m.tenant_id = \(heads.tenantID)::uuid and m.id = r.message),
        \(turnID)::uuid, r.name, r.args, r.result, r.latency_ms, r.error,
        to_timestamp(r.created_ms / 1000.0)
      from jsonb_to_recordset(\(try RecordField.rows(rows))::jsonb) as r (id uuid, message uuid,
        name text, args jsonb, result jsonb, latency_ms int, error text, created_ms bigint)
      on conflict (id) do update set message_id = excluded.message_id
      where tool_calls.message_id is null and tool_calls.tenant_id = excluded.tenant_id
      """,
      name: "turn-tool-calls"
    )
  }

  func violations() throws -> SQL {
    let rows = try record.violations.map { it -> JSONValue in
      .object([
        "id": try RecordField.id(it.violationID, "violations.violation_id"),
        "tier": RecordField.text(it.tier), "rule": RecordField.text(it.ruleID),
        "severity": RecordField.text(it.severity), "blocked": .bool(it.outboundWasBlocked),
        "context": try RecordField.json(it.contextJson, empty: .null, "violations.context_json"),
        "created_ms": .int(it.createdAtMs),
      ])
    }
    return SQL(
      """
      insert into guardrail_violations (id, tenant_id, session_id, binding_id, turn_id, tier, rule_id,
        severity, outbound_was_blocked, context, created_at)
      select r.id, \(heads.tenantID)::uuid, \(heads.sessionID)::uuid, \(heads.bindingID)::uuid,
        \(turnID)::uuid, r.tier, r.rule, r.severity, r.blocked, r.context,
        to_timestamp(r.created_ms / 1000.0)
      from jsonb_to_recordset(\(try RecordField.rows(rows))::jsonb) as r (id uuid, tier text,
        rule text, severity text, blocked boolean, context jsonb, created_ms bigint)
      on conflict do nothing
      """,
      name: "turn-violations"
    )
  }
}
