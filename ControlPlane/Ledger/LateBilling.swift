internal import Domain
internal import Foundation
internal import Postgres
internal import Wire

/// What is kept of the model calls of a record that came after its person was erased: what was used must
/// still be billed. In the form to which an erasure brings those that it finds (`person_tables()`).
struct LateBilling {
  let statement: SQL

  /// - Throws: `TurnRecordError` when the calls can't be read; nil when there are none.
  init?(_ record: Bindery_V1_TurnRecord) throws {
    guard !record.modelCalls.isEmpty else { return nil }
    let heads = TurnHeads(
      record: record,
      epoch: nil,
      turnID: try RecordField.uuid(record.turnID, "turn_id"),
      tenantID: try RecordField.uuid(record.tenantID, "tenant_id"),
      bindingID: try RecordField.uuid(record.bindingID, "binding_id"),
      sessionID: try RecordField.uuid(record.session.sessionID, "session.session_id")
    )
    statement = try TurnCalls(record: record, turnID: heads.turnID, heads: heads).billing()
  }
}

extension TurnCalls {
  /// The numbers alone, under ids that nothing outside of the database knows; a call that was erased, or
  /// that comes twice, has the same one.
  func billing() throws -> SQL {
    let rows = try record.modelCalls.map(row)
    return SQL(
      """
      insert into llm_calls (id, tenant_id, binding_id, provider, model, requested_model, tokens_in,
        tokens_out, cache_hit_tokens, cache_write_5m_tokens, cache_write_1h_tokens,
        reasoning_tokens, cost_usd, cost_pico_usd, latency_ms, ttft_ms, metadata, usage_source,
        price_table, created_at)
      select billed_call_id(r.id), \(heads.tenantID)::uuid, (
          select b.id from agent_bindings b
          where b.tenant_id = \(heads.tenantID)::uuid and b.id = \(heads.bindingID)::uuid),
        r.provider, r.model, r.requested_model, r.tokens_in, r.tokens_out, r.cache_read, r.write_5m,
        r.write_1h, r.reasoning, round(r.cost / 1e12::numeric, 6), r.cost, r.latency_ms, r.ttft_ms,
        r.metadata, r.usage_source, r.price_table,
        date_bin('15 minutes', to_timestamp(r.created_ms / 1000.0), 'epoch')
      from jsonb_to_recordset(\(try RecordField.rows(rows))::jsonb) as r (id uuid, provider text,
        model text, requested_model text, tokens_in int, tokens_out int, cache_read int,
        write_5m int, write_1h int, reasoning int, cost bigint, latency_ms int, ttft_ms int,
        metadata jsonb, usage_source text, price_table text, created_ms bigint)
      on conflict do nothing
      """,
      name: "late-billing"
    )
  }
}
