-- Going on with a turn, ending it, and offering work that nobody does. They run as the caller, for
-- the transaction's tenant, under row-level security.

create function renew_lease(
  p_binding uuid, p_channel text, p_external text, p_epoch bigint, p_lease_ms bigint
) returns boolean language plpgsql set search_path = pg_catalog, public, pg_temp as $$
begin
  update conversation_leases
  set expires_at = clock_timestamp() + p_lease_ms * interval '1 ms', offered_until = null
  where tenant_id = bindery_tenant() and binding_id = p_binding and channel = p_channel
    and external_id = p_external and epoch = p_epoch and turn_id is not null;
  return found;
end $$;

-- False when the epoch is no longer the conversation's: the effect must not happen.
create function journal_step(
  p_binding uuid, p_channel text, p_external text, p_epoch bigint, p_turn uuid, p_step int,
  p_kind text, p_payload jsonb
) returns boolean language plpgsql set search_path = pg_catalog, public, pg_temp as $$
begin
  perform from conversation_leases
  where tenant_id = bindery_tenant() and binding_id = p_binding and channel = p_channel
    and external_id = p_external and epoch = p_epoch and turn_id = p_turn
  for share;
  if not found then return false; end if;
  insert into turn_journal (turn_id, epoch, step, binding_id, channel, external_id, kind, payload)
  values (p_turn, p_epoch, p_step, p_binding, p_channel, p_external, p_kind, p_payload)
  on conflict do nothing;
  return true;
end $$;

-- What a commit may do, with the conversation locked until the transaction ends: 'live',
-- 'committed' (this very lease has committed) or 'fenced'.
create function commit_gate(
  p_binding uuid, p_channel text, p_external text, p_epoch bigint, p_turn uuid
) returns text language plpgsql set search_path = pg_catalog, public, pg_temp as $$
begin
  perform lock_conversation(p_binding, p_channel, p_external);
  if exists (
    select from turns where tenant_id = bindery_tenant() and turn_id = p_turn and epoch = p_epoch
  ) then
    return 'committed';
  end if;
  perform from conversation_leases
  where tenant_id = bindery_tenant() and binding_id = p_binding and channel = p_channel
    and external_id = p_external and epoch = p_epoch and (turn_id = p_turn
      -- The ledger was faster with the same record, and has ended the lease.
      or turn_id is null and exists (
        select from turns where tenant_id = bindery_tenant() and turn_id = p_turn
          and turns.epoch is null))
  for update;
  return case when found then 'live' else 'fenced' end;
end $$;

-- Ends the lease of a turn whose record is written. Inputs that it took and did not answer are due.
create function finish_turn(
  p_binding uuid, p_channel text, p_external text, p_epoch bigint, p_turn uuid, p_inputs uuid[]
) returns void language plpgsql set search_path = pg_catalog, public, pg_temp as $$
begin
  update turns set epoch = p_epoch where tenant_id = bindery_tenant() and turn_id = p_turn;
  update inputs set state = 'answered', turn_id = p_turn
  where tenant_id = bindery_tenant() and id = any (p_inputs) and state <> 'answered';
  update inputs set state = 'accepted', turn_id = null, due_at = clock_timestamp()
  where tenant_id = bindery_tenant() and turn_id = p_turn and state = 'leased';
  update conversation_leases set turn_id = null, offered_until = null
  where tenant_id = bindery_tenant() and binding_id = p_binding and channel = p_channel
    and external_id = p_external and epoch = p_epoch;
  delete from turn_journal where tenant_id = bindery_tenant() and turn_id = p_turn;
end $$;

-- How a committed turn goes on: whether its send waits for a resume, and when more is due.
create function after_commit(p_binding uuid, p_channel text, p_external text)
returns table (held boolean, next_due_in_ms bigint)
language sql volatile set search_path = pg_catalog, public, pg_temp as $$
  select coalesce((select t.status <> 'active' from tenants t where t.id = bindery_tenant()), true),
    coalesce((
      select ms_until(min(due_at)) from inputs
      where tenant_id = bindery_tenant() and binding_id = p_binding and channel = p_channel
        and external_id = p_external and state in ('accepted', 'held')), -1)
$$;

-- Sends only go forward, however reports of them cross.
create function outbox_rank(p_state text) returns int
language sql immutable set search_path = pg_catalog, public, pg_temp as $$
  select array_position(array['pending', 'held', 'ambiguous', 'failed', 'sent'], p_state)
$$;

-- False when there is no such reply.
create function settle_outbox(
  p_id uuid, p_state text, p_provider text, p_error text, p_attempts int
) returns boolean language plpgsql set search_path = pg_catalog, public, pg_temp as $$
declare
  v_message uuid;
begin
  update outbox set state = p_state, error = p_error,
    provider_message_id = coalesce(nullif(p_provider, ''), provider_message_id),
    attempts = greatest(attempts, p_attempts), updated_at = clock_timestamp(),
    offered_until = null
  where tenant_id = bindery_tenant() and id = p_id
    and outbox_rank(p_state) >= outbox_rank(state)
  returning message_id into v_message;
  if not found then
    return exists (select from outbox where tenant_id = bindery_tenant() and id = p_id);
  end if;
  if p_provider <> '' then
    update messages set provider_message_id = p_provider
    where tenant_id = bindery_tenant() and id = v_message;
  end if;
  return true;
end $$;

-- Tenants with work that nobody does: due inputs, lost leases, unsent replies.
drop function tenants_with_work(interval);
create function tenants_with_work(p_due_grace interval, p_send_grace interval) returns setof uuid
language sql stable security definer set search_path = pg_catalog, public, pg_temp as $$
  select i.tenant_id from inputs i join tenants t on t.id = i.tenant_id
  where t.status = 'active' and (i.offered_until is null or i.offered_until < now())
    and (i.state = 'held' or i.state = 'accepted' and i.due_at < now() - p_due_grace)
  union
  select l.tenant_id from conversation_leases l join tenants t on t.id = l.tenant_id
  where t.status = 'active' and l.turn_id is not null and l.expires_at < now()
    and (l.offered_until is null or l.offered_until < now())
  union
  select o.tenant_id from outbox o join tenants t on t.id = o.tenant_id
  where t.status = 'active' and (o.offered_until is null or o.offered_until < now())
    and (o.state = 'held' or o.state = 'pending' and o.updated_at < now() - p_send_grace)
$$;
revoke execute on function tenants_with_work(interval, interval) from public;
grant execute on function tenants_with_work(interval, interval) to bindery_app;
grant create on schema public to bindery_definer;
alter function tenants_with_work(interval, interval) owner to bindery_definer;
revoke create on schema public from bindery_definer;

-- Takes at most p_limit pieces of the tenant's work and marks them, so that they are not offered
-- again for p_again. Several callers at once take different pieces.
create function offer_work(
  p_limit int, p_due_grace interval, p_send_grace interval, p_again interval
) returns table (
  reason text, binding_id uuid, channel text, external_id text, outbox_id uuid, message_id uuid,
  channel_account text, recipient text, state text, provider_message_id text, error text,
  attempts int, body text
) language sql volatile set search_path = pg_catalog, public, pg_temp as $$
  with open as (
    select from tenants t where t.id = bindery_tenant() and t.status = 'active'
  ), lost as (
    update conversation_leases l set offered_until = now() + p_again
    where l.tenant_id = bindery_tenant() and exists (select from open)
      and (l.binding_id, l.channel, l.external_id) in (
        select c.binding_id, c.channel, c.external_id from conversation_leases c
        where c.tenant_id = bindery_tenant() and c.turn_id is not null and c.expires_at < now()
          and (c.offered_until is null or c.offered_until < now())
        order by c.expires_at limit p_limit for update skip locked)
    returning l.*
  ), waiting as (
    select i.id from inputs i
    where i.tenant_id = bindery_tenant() and exists (select from open)
      and (i.state = 'held' or i.state = 'accepted' and i.due_at < now() - p_due_grace)
      and (i.offered_until is null or i.offered_until < now())
      and not exists (
        select from conversation_leases c
        where c.tenant_id = i.tenant_id and c.binding_id = i.binding_id
          and c.channel = i.channel and c.external_id = i.external_id and c.turn_id is not null)
    order by i.due_at limit p_limit for update skip locked
  ), due as (
    update inputs i set offered_until = now() + p_again
    from waiting where i.id = waiting.id and i.tenant_id = bindery_tenant()
    returning i.*
  ), unsent as (
    update outbox o set offered_until = now() + p_again
    where o.tenant_id = bindery_tenant() and o.id in (
      select c.id from outbox c
      where c.tenant_id = bindery_tenant() and exists (select from open)
        and (c.state = 'held' or c.state = 'pending' and c.updated_at < now() - p_send_grace)
        and (c.offered_until is null or c.offered_until < now())
      order by c.updated_at limit p_limit for update skip locked)
    returning o.*
  )
  select * from (
    select 'lease_lost', lost.binding_id, lost.channel, lost.external_id, null::uuid, null::uuid,
      '', '', '', '', '', 0, ''
    from lost
    union all
    select case when bool_or(due.state = 'held') then 'resumed' else 'due' end, due.binding_id,
      due.channel, due.external_id, null, null, '', '', '', '', '', 0, ''
    from due group by due.binding_id, due.channel, due.external_id
    union all
    select 'unsent', unsent.binding_id, unsent.channel, unsent.external_id, unsent.id,
      unsent.message_id, unsent.channel_account, unsent.recipient, unsent.state,
      unsent.provider_message_id, unsent.error, unsent.attempts, coalesce(m.body, '')
    from unsent join messages m on m.tenant_id = unsent.tenant_id and m.id = unsent.message_id
  ) as work
$$;
