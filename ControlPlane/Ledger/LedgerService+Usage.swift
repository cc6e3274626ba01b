internal import Domain
internal import Foundation
internal import Postgres
internal import Store
package import Wire

extension LedgerService {
  /// Usage by tenant, binding, provider and model, read tenant by tenant under row-level security.
  ///
  /// - Throws: `StoreError.unknownTenant`, `PostgresError`.
  package func usage(_ request: Bindery_V1_UsageRequest) async throws -> Bindery_V1_UsageResponse {
    var tenants = try await store.tenants()
    if !request.tenant.isEmpty {
      tenants = tenants.filter { $0.slug == request.tenant }
      guard !tenants.isEmpty else { throw StoreError.unknownTenant(request.tenant) }
    }
    let from = request.fromMs
    let to = request.toMs > 0 ? request.toMs : Int64.max / 4
    var response = Bindery_V1_UsageResponse()
    for tenant in tenants {
      let rows = try await store.app.withTransaction(
        settings: Store.settings(for: tenant.id),
        readOnly: true
      ) { connection in
        try await connection.query(Self.usage(of: tenant.id, from: from, to: to))
      }
      response.rows += try rows.map { try Self.row($0, tenant: tenant.slug) }
    }
    return response
  }

  /// A binding that talked without a model has one row with empty names.
  private static func usage(of tenant: TenantID, from: Int64, to: Int64) -> SQL {
    SQL(
      """
      with span as (
        select to_timestamp(\(from)::bigint / 1000.0) as low,
          to_timestamp(least(\(to)::bigint, 253402300799000) / 1000.0) as high),
      calls as (
        select c.binding_id, c.provider, c.model, count(*) as model_calls,
          sum(c.tokens_in) as tokens_in, sum(c.tokens_out) as tokens_out,
          sum(c.cache_hit_tokens) as cache_hit_tokens, coalesce(sum(c.cost_pico_usd), 0) as cost
        from llm_calls c, span
        where c.tenant_id = \(tenant.uuid) and c.created_at >= span.low and c.created_at < span.high
        group by 1, 2, 3),
      said as (
        select s.binding_id, count(*) as messages from messages m
        join sessions s on s.tenant_id = m.tenant_id and s.id = m.session_id, span
        where m.tenant_id = \(tenant.uuid) and m.created_at >= span.low and m.created_at < span.high
        group by 1),
      done as (
        select t.binding_id, count(*) as turns from turns t, span
        where t.tenant_id = \(tenant.uuid) and t.created_at >= span.low and t.created_at < span.high
          and t.outcome in ('replied', 'blocked', 'failed')
        group by 1),
      used as (
        select s.binding_id, count(*) as tool_calls from tool_calls c
        join sessions s on s.tenant_id = c.tenant_id and s.id = c.session_id, span
        where c.tenant_id = \(tenant.uuid) and c.created_at >= span.low and c.created_at < span.high
        group by 1),
      hit as (
        select v.binding_id, count(*) as violations from guardrail_violations v, span
        where v.tenant_id = \(tenant.uuid) and v.created_at >= span.low and v.created_at < span.high
        group by 1)
      select b.slug as binding, coalesce(calls.provider, '') as provider,
        coalesce(calls.model, '') as model, coalesce(calls.model_calls, 0)::bigint as model_calls,
        coalesce(calls.tokens_in, 0)::bigint as tokens_in,
        coalesce(calls.tokens_out, 0)::bigint as tokens_out,
        coalesce(calls.cache_hit_tokens, 0)::bigint as cache_hit_tokens,
        coalesce(calls.cost, 0)::bigint as cost, coalesce(done.turns, 0)::bigint as turns,
        coalesce(said.messages, 0)::bigint as messages,
        coalesce(used.tool_calls, 0)::bigint as tool_calls,
        coalesce(hit.violations, 0)::bigint as violations
      from agent_bindings b
      left join calls on calls.binding_id = b.id
      left join said on said.binding_id = b.id
      left join done on done.binding_id = b.id
      left join used on used.binding_id = b.id
      left join hit on hit.binding_id = b.id
      where b.tenant_id = \(tenant.uuid)
        and (calls.binding_id is not null or said.binding_id is not null
          or done.binding_id is not null)
      order by b.slug, 2, 3
      """,
      name: "usage"
    )
  }

  private static func row(_ row: PostgresRow, tenant: String) throws -> Bindery_V1_UsageRow {
    var usage = Bindery_V1_UsageRow()
    usage.tenant = tenant
    usage.binding = try row.decode("binding")
    usage.provider = try row.decode("provider")
    usage.model = try row.decode("model")
    usage.modelCalls = try row.decode("model_calls")
    usage.tokensIn = try row.decode("tokens_in")
    usage.tokensOut = try row.decode("tokens_out")
    usage.cacheHitTokens = try row.decode("cache_hit_tokens")
    usage.costPicoUsd = try row.decode("cost")
    usage.turns = try row.decode("turns")
    usage.messages = try row.decode("messages")
    usage.toolCalls = try row.decode("tool_calls")
    usage.violations = try row.decode("violations")
    return usage
  }
}
