-- A binding gets a new form with every edit of its tiers: room on its page spares each of them an entry
-- in every index.
alter table compiled_bindings set (fillfactor = 60);

-- A model call that is kept for billing when its person is erased gets an id by the tenant's salt: the
-- same one whether it was there before or comes late, and the node's for nobody who serves.
create function billed_call_id(p_call uuid) returns uuid
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
begin
  return (
    select encode(substr(person_digest(s.salt, 'call ' || p_call), 1, 16), 'hex')::uuid
    from erasure_salts s where s.tenant_id = public.bindery_tenant());
end $$;

create or replace function person_tables()
returns table (place int, name text, mine text, kept text, sorted text)
language sql immutable set search_path = pg_catalog, public, pg_temp as $$
  values
    (1, 'conversation_leases', 'person_name(t.channel, t.external_id) = any ($2)', null,
      't.channel, t.external_id, t.binding_id'),
    (2, 'turn_journal', 'person_name(t.channel, t.external_id) = any ($2)', null,
      't.created_at, t.turn_id, t.epoch, t.step'),
    (3, 'inputs',
      'person_name(t.channel, t.external_id) = any ($2) or ltrim(t.phone, ''+'') = any ($3)', null,
      't.accepted_at, t.id'),
    (4, 'outbox', 't.session_id = any ($4) or person_name(t.channel, t.external_id) = any ($2)',
      null, 't.created_at, t.id'),
    (5, 'memory_facts', 't.user_id = any ($1) or t.source_message_id in (
      select m.id from messages m where m.tenant_id = bindery_tenant() and m.session_id = any ($4))',
      null, 't.created_at, t.id'),
    (6, 'memory_embeddings', 't.user_id = any ($1) or t.source_message_id in (
      select m.id from messages m where m.tenant_id = bindery_tenant() and m.session_id = any ($4))',
      null, 't.created_at, t.id'),
    (7, 'guardrail_violations', 't.session_id = any ($4)', null, 't.created_at, t.id'),
    (8, 'tool_calls', 't.session_id = any ($4)', null, 't.created_at, t.id'),
    -- What was used must still be billed: which model, how many tokens, what it cost, in which quarter of an hour.
    -- With new ids, so that nothing outside of the database names them.
    (9, 'llm_calls', 't.session_id = any ($4)', 'id = billed_call_id(t.id), session_id = null,
      turn_id = null, request_id = null, error = null, metadata = case
        when t.metadata ? ''tier_tokens''
          then jsonb_build_object(''tier_tokens'', t.metadata->''tier_tokens'') else ''{}'' end,
      created_at = date_bin(''15 minutes'', t.created_at, ''epoch'')', 't.created_at, t.id'),
    (10, 'turns', 't.session_id = any ($4)', null, 't.created_at, t.turn_id'),
    (11, 'messages', 't.session_id = any ($4)', null, 't.created_at, t.id'),
    (12, 'sessions', 't.id = any ($4) or t.user_id = any ($1)', null, 't.started_at, t.id'),
    (13, 'user_identities',
      't.user_id = any ($1) or person_name(t.channel, t.external_id) = any ($2)', null,
      't.created_at, t.channel, t.external_id'),
    (14, 'tenant_users', 't.user_id = any ($1)', null, 't.created_at, t.user_id')
$$;

-- The receipts of erasures of people who were known by one of these names: for as long as their
-- tombstones stand.
create function receipts_of(p_people text[]) returns setof uuid
language sql stable security definer set search_path = pg_catalog, public, pg_temp as $$
  select e.receipt_id from erasure_salts s
  join erased_people e on e.tenant_id = s.tenant_id
  join unnest(p_people) as p (name) on e.person = person_digest(s.salt, p.name)
  where s.tenant_id = public.bindery_tenant()
$$;

do $$
declare
  f text;
begin
  grant create on schema public to bindery_definer;
  foreach f in array array['billed_call_id(uuid)', 'receipts_of(text[])'] loop
    execute format('revoke execute on function %s from public', f);
    execute format('grant execute on function %s to bindery_app', f);
    execute format('alter function %s owner to bindery_definer', f);
  end loop;
  revoke create on schema public from bindery_definer;
end $$;
