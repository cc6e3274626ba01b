-- Accepting inputs and beginning turns, each in one round trip. They run as the caller, for the
-- transaction's tenant, under row-level security.

-- One writer at a time for each conversation, until the end of the transaction.
create function lock_conversation(p_binding uuid, p_channel text, p_external text) returns void
language sql set search_path = pg_catalog, public, pg_temp as $$
  select pg_advisory_xact_lock(
    hashtextextended(concat_ws(E'\x1f', bindery_tenant(), p_binding, p_channel, p_external), 2))
$$;

-- Whole milliseconds from now, rounded up, never negative: who looks then is not too early. Null of
-- null.
create function ms_until(p_at timestamptz) returns bigint
language sql volatile set search_path = pg_catalog, public, pg_temp as $$
  select case when p_at is not null
    then greatest(0, ceil(extract(epoch from p_at - clock_timestamp()) * 1000))::bigint end
$$;

-- 'open', or why nothing is answered there now: 'held', 'refused', 'unknown'.
create function conversation_gate(p_binding uuid) returns text
language sql stable set search_path = pg_catalog, public, pg_temp as $$
  select coalesce((
    select case
      when t.status = 'archived' then 'refused'
      when t.status = 'paused' and t.paused_policy = 'refuse' then 'refused'
      when not coalesce(b.is_active, false) then 'unknown'
      when t.status = 'paused' then 'held'
      else 'open' end
    from tenants t
      left join agent_bindings b on b.tenant_id = t.id and b.id = p_binding
    where t.id = bindery_tenant()), 'unknown')
$$;

-- Stores a message once. Null when it was stored now, else the id and state of the input that is it.
create function add_input(
  p_binding uuid, p_channel text, p_external text, p_message jsonb, p_state text,
  p_due timestamptz, out seen_id uuid, out seen_state text
) language plpgsql set search_path = pg_catalog, public, pg_temp as $$
begin
  insert into inputs (id, tenant_id, binding_id, channel, external_id, channel_account,
    provider_message_id, message_id, body, phone, display_name, metadata, received_at, accepted_at,
    due_at, state)
  values ((p_message->>'id')::uuid, bindery_tenant(), p_binding, p_channel, p_external,
    p_message->>'account', p_message->>'provider_id', (p_message->>'message')::uuid,
    p_message->>'body', p_message->>'phone', p_message->>'name', p_message->'metadata',
    to_timestamp((p_message->>'received_ms')::bigint / 1000.0), clock_timestamp(), p_due, p_state)
  on conflict do nothing;
  if not found then
    select i.id, i.state into seen_id, seen_state from inputs i
    where i.tenant_id = bindery_tenant() and (i.id = (p_message->>'id')::uuid
      or i.channel = p_channel and i.provider_message_id = p_message->>'provider_id'
        and i.dedupe_scope = case p_channel when 'web' then p_external
          else p_message->>'account' end)
    limit 1;
    -- Another tenant's id: as good as seen, and nothing to be told about it.
    seen_state := coalesce(seen_state, 'answered');
  end if;
end $$;

create function accept_input(
  p_binding uuid, p_channel text, p_external text, p_message jsonb, p_quiet_ms bigint,
  p_latest_ms bigint, out disposition text, out due_in_ms bigint
) language plpgsql set search_path = pg_catalog, public, pg_temp as $$
declare
  v_gate text;
  v_seen text;
  v_now timestamptz;
  v_due timestamptz;
begin
  due_in_ms := 0;
  v_gate := conversation_gate(p_binding);
  if v_gate in ('refused', 'unknown') then
    disposition := v_gate;
    return;
  end if;
  perform lock_conversation(p_binding, p_channel, p_external);
  v_now := clock_timestamp();
  -- The quiet begins anew with each message, but the first one does not wait for ever.
  select least(v_now + p_quiet_ms * interval '1 ms',
    coalesce(min(accepted_at), v_now) + p_latest_ms * interval '1 ms') into v_due
  from inputs
  where tenant_id = bindery_tenant() and binding_id = p_binding and channel = p_channel
    and external_id = p_external and state = 'accepted';
  select seen_state into v_seen from add_input(p_binding, p_channel, p_external, p_message,
    case v_gate when 'held' then 'held' else 'accepted' end, v_due);
  if v_seen is not null then
    disposition := 'duplicate';
    select coalesce(ms_until(max(due_at)), 0) into due_in_ms from inputs
    where tenant_id = bindery_tenant() and binding_id = p_binding and channel = p_channel
      and external_id = p_external and state = 'accepted';
    return;
  end if;
  update inputs set due_at = v_due
  where tenant_id = bindery_tenant() and binding_id = p_binding and channel = p_channel
    and external_id = p_external and state = 'accepted' and due_at <> v_due;
  disposition := case v_gate when 'held' then 'held' else 'accepted' end;
  due_in_ms := ms_until(v_due);
end $$;

create function input_json(i inputs) returns jsonb
language sql stable set search_path = pg_catalog, public, pg_temp as $$
  select jsonb_build_object('id', i.id, 'message', i.message_id, 'account', i.channel_account,
    'provider_id', i.provider_message_id, 'body', i.body, 'phone', i.phone,
    'name', i.display_name, 'metadata', i.metadata,
    'received_ms', floor(extract(epoch from i.received_at) * 1000)::bigint)
$$;

-- p_message: the input itself on the web, else null. The answer's keys are read by BeginTurn alone.
create function begin_turn(
  p_binding uuid, p_channel text, p_external text, p_node text, p_turn uuid, p_session uuid,
  p_message jsonb, p_lease_ms bigint, p_history int, p_idle_ms bigint, p_locale text
) returns jsonb language plpgsql set search_path = pg_catalog, public, pg_temp as $$
declare
  v_tenant uuid := bindery_tenant();
  v_gate text;
  v_seen record;
  v_now timestamptz;
  v_lease conversation_leases;
  v_lost uuid;
  v_turn uuid := p_turn;
  v_due timestamptz;
  v_user uuid;
  v_session sessions;
  v_newest inputs;
  v_inputs jsonb;
begin
  v_gate := conversation_gate(p_binding);
  if v_gate in ('refused', 'unknown') then
    return jsonb_build_object('disposition', v_gate);
  end if;
  perform lock_conversation(p_binding, p_channel, p_external);
  v_now := clock_timestamp();

  select * into v_lease from conversation_leases
  where tenant_id = v_tenant and binding_id = p_binding and channel = p_channel
    and external_id = p_external for update;

  if p_message is not null then
    select * into v_seen from add_input(p_binding, p_channel, p_external, p_message,
      case v_gate when 'held' then 'held' else 'accepted' end, v_now);
    if v_seen.seen_state = 'answered' or v_seen.seen_state = 'leased'
      and v_lease.turn_id is distinct from p_turn and v_lease.expires_at > v_now then
      return jsonb_build_object('disposition', 'duplicate');
    end if;
  end if;
  if v_gate = 'held' then
    update inputs set state = 'held'
    where tenant_id = v_tenant and binding_id = p_binding and channel = p_channel
      and external_id = p_external and state = 'accepted';
    return jsonb_build_object('disposition', 'held');
  end if;

  if v_lease.turn_id is not null and v_lease.turn_id <> p_turn then
    if v_lease.expires_at > v_now then
      return jsonb_build_object('disposition', 'busy', 'due_in_ms', ms_until(v_lease.expires_at));
    end if;
    v_lost := v_lease.turn_id;
    -- Only a turn that noted steps has something to go on with.
    if exists (select from turn_journal where tenant_id = v_tenant and turn_id = v_lost) then
      v_turn := v_lost;
    end if;
  end if;

  select min(due_at) into v_due from inputs
  where tenant_id = v_tenant and binding_id = p_binding and channel = p_channel
    and external_id = p_external and state in ('accepted', 'held', 'leased');
  if v_due is null or v_due > v_now then
    if v_lost is not null then
      -- Its inputs were answered by way of the ledger.
      update conversation_leases set turn_id = null
      where tenant_id = v_tenant and binding_id = p_binding and channel = p_channel
        and external_id = p_external;
    end if;
    return jsonb_build_object('disposition', 'nothing_due',
      'due_in_ms', coalesce(ms_until(v_due), 0));
  end if;

  select * into v_newest from inputs
  where tenant_id = v_tenant and binding_id = p_binding and channel = p_channel
    and external_id = p_external and state in ('accepted', 'held', 'leased')
  order by accepted_at desc, id desc limit 1;
  v_user := resolve_user(p_channel, p_external, v_newest.phone, v_newest.display_name, p_locale);

  select * into v_session from sessions
  where tenant_id = v_tenant and binding_id = p_binding and channel = p_channel
    and external_id = p_external and user_id = v_user
    and last_active_at > v_now - p_idle_ms * interval '1 ms'
  order by last_active_at desc limit 1;
  if not found then
    insert into sessions (id, tenant_id, user_id, binding_id, channel, external_id, started_at,
      last_active_at)
    values (p_session, v_tenant, v_user, p_binding, p_channel, p_external, v_now, v_now)
    returning * into v_session;
  end if;

  if v_session.owner = 'human' then
    -- A person answers: the messages are theirs to read, and no turn will come for them.
    insert into messages (id, tenant_id, session_id, direction, channel, body, metadata,
      provider_message_id, created_at)
    select i.message_id, v_tenant, v_session.id, 'inbound', i.channel, i.body, i.metadata,
      i.provider_message_id, i.received_at
    from inputs i
    where i.tenant_id = v_tenant and i.binding_id = p_binding and i.channel = p_channel
      and i.external_id = p_external and i.state in ('accepted', 'held', 'leased')
    on conflict do nothing;
    update inputs set state = 'answered'
    where tenant_id = v_tenant and binding_id = p_binding and channel = p_channel
      and external_id = p_external and state in ('accepted', 'held', 'leased');
    update conversation_leases set turn_id = null
    where tenant_id = v_tenant and binding_id = p_binding and channel = p_channel
      and external_id = p_external;
    return jsonb_build_object('disposition', 'human_owned');
  end if;

  insert into conversation_leases (tenant_id, binding_id, channel, external_id, epoch, node_id,
    turn_id, expires_at)
  values (v_tenant, p_binding, p_channel, p_external, 1, p_node, v_turn,
    v_now + p_lease_ms * interval '1 ms')
  on conflict (tenant_id, binding_id, channel, external_id) do update set
    -- The same turn asking again lost our answer: it keeps its epoch.
    epoch = conversation_leases.epoch
      + case when conversation_leases.turn_id = p_turn
          and conversation_leases.node_id = excluded.node_id then 0 else 1 end,
    node_id = excluded.node_id, turn_id = excluded.turn_id, expires_at = excluded.expires_at,
    offered_until = null
  returning * into v_lease;

  with taken as (
    update inputs set state = 'leased', turn_id = v_turn, offered_until = null
    where tenant_id = v_tenant and binding_id = p_binding and channel = p_channel
      and external_id = p_external and state in ('accepted', 'held', 'leased')
    returning *
  )
  select jsonb_agg(input_json(taken) order by taken.accepted_at, taken.id) into v_inputs from taken;

  return jsonb_build_object(
    'disposition', 'leased', 'epoch', v_lease.epoch, 'user', v_user, 'turn', v_turn,
    'session', jsonb_build_object('id', v_session.id,
      'started_ms', floor(extract(epoch from v_session.started_at) * 1000)::bigint,
      'last_active_ms', floor(extract(epoch from v_session.last_active_at) * 1000)::bigint,
      'provisional', v_session.provisional,
      'phone', v_newest.phone, 'name', (
        select coalesce(u.display_name, '') from tenant_users u
        where u.tenant_id = v_tenant and u.user_id = v_user),
      'locale', (
        select coalesce(u.locale, '') from tenant_users u
        where u.tenant_id = v_tenant and u.user_id = v_user)),
    'inputs', v_inputs,
    'history', coalesce((
      select jsonb_agg(jsonb_build_object('id', m.id, 'inbound', m.direction = 'inbound',
        'body', coalesce(m.body, ''), 'provider_id', coalesce(m.provider_message_id, ''),
        'metadata', m.metadata,
        'created_ms', floor(extract(epoch from m.created_at) * 1000)::bigint)
        order by m.created_at, m.direction, m.id)
      from (
        select * from messages
        where session_id = v_session.id and tenant_id = v_tenant
          and id not in (
            select i.message_id from inputs i
            where i.tenant_id = v_tenant and i.turn_id = v_turn and i.state = 'leased')
        order by created_at desc, direction desc, id desc limit p_history
      ) m), '[]'),
    'journal', coalesce((
      select jsonb_agg(jsonb_build_object('step', j.step, 'kind', j.kind, 'payload', j.payload)
        order by j.epoch, j.step)
      from turn_journal j where j.tenant_id = v_tenant and j.turn_id = v_turn), '[]'));
end $$;
