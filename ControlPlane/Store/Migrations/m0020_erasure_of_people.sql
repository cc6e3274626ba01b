-- Erasing and exporting a person of one tenant. What a person's rows are is said once, in
-- person_tables(); a tombstone holds off what arrives late. A person is named by channel and external
-- id, joined by U+001F: a lock, a digest and a list mean the same one.

-- What belongs to a person cannot be written once the tenant does not know the person any more.
alter table sessions add foreign key (tenant_id, user_id)
  references tenant_users (tenant_id, user_id) on delete cascade;
alter table memory_facts add foreign key (tenant_id, user_id)
  references tenant_users (tenant_id, user_id) on delete cascade;
alter table memory_embeddings add foreign key (tenant_id, user_id)
  references tenant_users (tenant_id, user_id) on delete cascade;

-- Digests below hold a person to nobody who does not have the salt, and no role that serves has it.
create table erasure_salts (
  tenant_id uuid primary key default bindery_tenant() references tenants (id) on delete cascade,
  salt bytea not null default uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())
);

-- Tombstones: what is older than erased_at and comes after it is dropped, and counted.
create table erased_people (
  tenant_id uuid not null default bindery_tenant() references tenants (id) on delete cascade,
  person bytea not null,
  erased_at timestamptz not null,
  receipt_id uuid not null,
  late_inputs bigint not null default 0,
  late_records bigint not null default 0,
  primary key (tenant_id, person)
);
create index erased_people_receipt on erased_people (tenant_id, receipt_id);
-- Providers deliver a message again for days, under the same id.
create table erased_inputs (
  tenant_id uuid not null default bindery_tenant() references tenants (id) on delete cascade,
  input bytea not null,
  erased_at timestamptz not null,
  primary key (tenant_id, input)
);

create table erasure_receipts (
  id uuid primary key,
  tenant_id uuid not null default bindery_tenant() references tenants (id) on delete cascade,
  -- Salted digest of the person.
  subject text not null,
  erased_at timestamptz not null,
  -- Canonical JSON (RFC 8785), and SHA-256 of its bytes.
  receipt text not null,
  digest text not null check (digest ~ '^[0-9a-f]{64}$')
);
create index erasure_receipts_tenant on erasure_receipts (tenant_id, erased_at);

do $$
declare
  t text;
begin
  foreach t in array array['erasure_salts', 'erased_people', 'erased_inputs', 'erasure_receipts']
  loop
    execute format('alter table %I enable row level security', t);
    execute format('alter table %I force row level security', t);
    execute format(
      'create policy one_tenant on %I using (tenant_id = (select bindery_tenant()))
         with check (tenant_id = (select bindery_tenant()))', t);
  end loop;
end $$;
grant select, insert on erasure_salts to bindery_definer;
grant select, insert, update, delete on erased_people to bindery_definer;
grant select, insert, update, delete on erased_inputs to bindery_definer;
grant select on erased_people to bindery_app;
-- Nobody who serves may change or remove a receipt.
grant select, insert on erasure_receipts to bindery_app;
create policy of_a_person on ledger_set_aside to bindery_definer using (true);
grant select, delete on ledger_set_aside to bindery_definer;

-- The same number is the same person, however it is written.
create function person_name(p_channel text, p_external text) returns text
  language sql immutable parallel safe set search_path = pg_catalog, public, pg_temp as $$
  select concat_ws(E'\x1f', p_channel,
    case p_channel when 'whatsapp' then ltrim(p_external, '+') else p_external end)
$$;

create function person_key(p_person text) returns bigint
  language sql stable set search_path = pg_catalog, public, pg_temp as $$
  select hashtextextended(concat_ws(E'\x1f', bindery_tenant(), p_person), 3)
$$;

-- Whoever writes for a person waits for an erasure of that person, and the erasure for them.
create or replace function lock_conversation(p_binding uuid, p_channel text, p_external text)
returns void language sql set search_path = pg_catalog, public, pg_temp as $$
  select pg_advisory_xact_lock_shared(person_key(person_name(p_channel, p_external)));
  select pg_advisory_xact_lock(
    hashtextextended(concat_ws(E'\x1f', bindery_tenant(), p_binding, p_channel, p_external), 2));
$$;

-- The tables with rows of people, in the order in which references let them go. `mine` tells a
-- person's rows t by users $1, names of people $2, phones $3 and sessions $4; `kept`, what stays of
-- them when they are not removed.
create function person_tables()
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
    (9, 'llm_calls', 't.session_id = any ($4)', 'id = gen_random_uuid(), session_id = null,
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

-- The users, of the transaction's tenant only, that a phone (digits), an id or a name stands for.
create function people_of(
  p_user uuid, p_phone text, p_channel text, p_external text, out users uuid[], out phones text[]
) language plpgsql stable security definer set search_path = pg_catalog, public, pg_temp as $$
begin
  users := array(
    select t.user_id from tenant_users t
    where t.tenant_id = public.bindery_tenant() and t.user_id in (
      select p_user
      union
      select u.id from users u where p_phone <> '' and u.phone in (p_phone, '+' || p_phone)
      union
      select i.user_id from user_identities i
      where i.tenant_id = public.bindery_tenant()
        and (p_external <> ''
            and person_name(i.channel, i.external_id) = person_name(p_channel, p_external)
          or p_phone <> '' and i.channel = 'whatsapp'
            and i.external_id in (p_phone, '+' || p_phone))));
  phones := array(
    select ltrim(u.phone, '+') from public.users u
    where u.id = any (people_of.users) and u.phone <> ''
    union
    select p_phone where p_phone <> '');
end $$;

-- The phone of a user whom the transaction's tenant knows. What else the shared row could hold is no
-- tenant's to read.
create function phone_of(p_user uuid) returns text
language sql stable security definer set search_path = pg_catalog, public, pg_temp as $$
  select u.phone from users u join tenant_users t on t.user_id = u.id
  where u.id = p_user and t.tenant_id = public.bindery_tenant()
$$;

-- All that stands for one person.
create function person_subject(
  p_user uuid, p_phone text, p_channel text, p_external text,
  out users uuid[], out people text[], out phones text[], out sessions uuid[]
) language plpgsql stable set search_path = pg_catalog, public, pg_temp as $$
begin
  select p.users, p.phones into users, phones
  from people_of(p_user, p_phone, p_channel, p_external) p;
  sessions := array(
    select s.id from public.sessions s
    where s.tenant_id = bindery_tenant() and s.user_id = any (person_subject.users));
  people := array(
    select person_name(i.channel, i.external_id) from user_identities i
    where i.tenant_id = bindery_tenant() and i.user_id = any (person_subject.users)
    union
    select person_name(s.channel, s.external_id) from public.sessions s
    where s.id = any (person_subject.sessions) and s.external_id <> ''
    union
    select person_name(p_channel, p_external) where p_external <> ''
    union
    select person_name('whatsapp', phone) from unnest(person_subject.phones) as phone
    order by 1);
end $$;

create function person_digest(p_salt bytea, p_what text) returns bytea
  language sql immutable parallel safe set search_path = pg_catalog, public, pg_temp as $$
  select sha256(p_salt || convert_to(p_what, 'UTF8'))
$$;

-- What a receipt and the audit log call a person.
create function person_reference(p_people text[], p_phones text[]) returns text
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
begin
  insert into erasure_salts (tenant_id) values (public.bindery_tenant()) on conflict do nothing;
  return (
    select encode(person_digest(s.salt,
      'subject ' || coalesce(p_phones[1], p_people[1])), 'hex')
    from erasure_salts s where s.tenant_id = public.bindery_tenant());
end $$;

-- Notes who is gone. Old notes go: 90 days is longer than anything is on its way.
create function bury_person(p_people text[], p_inputs text[], p_at timestamptz, p_receipt uuid)
returns void language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
declare
  v_salt bytea;
begin
  select s.salt into v_salt from erasure_salts s where s.tenant_id = public.bindery_tenant();
  delete from erased_people e
  where e.tenant_id = public.bindery_tenant() and e.erased_at < p_at - interval '90 days';
  delete from erased_inputs e
  where e.tenant_id = public.bindery_tenant() and e.erased_at < p_at - interval '90 days';
  insert into erased_people (tenant_id, person, erased_at, receipt_id)
  select public.bindery_tenant(), person_digest(v_salt, person), p_at, p_receipt
  from unnest(p_people) as person
  on conflict (tenant_id, person) do update set erased_at = excluded.erased_at,
    receipt_id = excluded.receipt_id, late_inputs = 0, late_records = 0;
  insert into erased_inputs (tenant_id, input, erased_at)
  select distinct public.bindery_tenant(), person_digest(v_salt, input), p_at
  from unnest(p_inputs) as input
  on conflict (tenant_id, input) do update set erased_at = excluded.erased_at;
end $$;

-- Whether what a person's session, begun then, has to tell is erased.
create function is_erased(p_channel text, p_external text, p_started timestamptz) returns boolean
language sql stable security definer set search_path = pg_catalog, public, pg_temp as $$
  select exists (
    select from erasure_salts s join erased_people e on e.tenant_id = s.tenant_id
    where s.tenant_id = public.bindery_tenant()
      and e.person = person_digest(s.salt, person_name(p_channel, p_external))
      -- Nodes tell whole milliseconds.
      and p_started < date_trunc('milliseconds', e.erased_at))
$$;

create function note_late_record(p_channel text, p_external text) returns void
language sql security definer set search_path = pg_catalog, public, pg_temp as $$
  update erased_people e set late_records = late_records + 1 from erasure_salts s
  where s.tenant_id = public.bindery_tenant() and e.tenant_id = s.tenant_id
    and e.person = person_digest(s.salt, person_name(p_channel, p_external))
$$;

-- Before the first row of a record: waits for an erasure under way, and fails after it.
create function admit_record(p_channel text, p_external text, p_started timestamptz) returns void
language plpgsql set search_path = pg_catalog, public, pg_temp as $$
begin
  perform pg_advisory_xact_lock_shared(person_key(person_name(p_channel, p_external)));
  if is_erased(p_channel, p_external, p_started) then
    raise exception 'the person was erased' using errcode = 'BN003', constraint = 'erased_people';
  end if;
end $$;

-- Counts and drops an input that came before the erasure, or that the provider delivers again.
create function drop_late_input() returns trigger
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
declare
  v_salt bytea;
  v_person bytea;
begin
  select s.salt into v_salt from erasure_salts s where s.tenant_id = public.bindery_tenant();
  if not found then return new; end if;
  v_person := person_digest(v_salt, person_name(new.channel, new.external_id));
  if exists (
    select from erased_people e
    where e.tenant_id = public.bindery_tenant() and e.person = v_person
      and new.received_at < date_trunc('milliseconds', e.erased_at)
  ) or exists (
    select from erased_inputs e
    where e.tenant_id = public.bindery_tenant() and e.input = person_digest(v_salt,
      concat_ws(E'\x1f', new.channel,
        case new.channel when 'web' then new.external_id else new.channel_account end,
        new.provider_message_id))
  ) then
    update erased_people e set late_inputs = late_inputs + 1
    where e.tenant_id = public.bindery_tenant() and e.person = v_person;
    return null;
  end if;
  return new;
end $$;
create trigger inputs_erased before insert on inputs
  for each row execute function drop_late_input();

-- A length-delimited field of a protocol buffer, its tag in one byte.
create function protobuf_field(p_number int, p_value bytea) returns bytea
  language sql immutable parallel safe set search_path = pg_catalog, public, pg_temp as $$
  select set_byte('\x00'::bytea, 0, p_number * 8 + 2)
    || case when length(p_value) < 128 then set_byte('\x00'::bytea, 0, length(p_value))
      else set_byte('\x00'::bytea, 0, length(p_value) & 127 | 128)
        || set_byte('\x00'::bytea, 0, length(p_value) >> 7) end
    || p_value
$$;

-- Records that were set aside and tell of a person, also those that are nobody's but name the tenant.
-- Found by the encoded fields of TurnRecord.tenant_id (2) and SessionRecord.session_id (1), channel
-- (2), external_id (3) and phone (4).
create function person_set_aside(p_people text[], p_phones text[], p_sessions uuid[])
returns setof ledger_set_aside
language sql stable security definer set search_path = pg_catalog, public, pg_temp as $$
  with wanted as (
    select protobuf_field(2, convert_to(split_part(person, E'\x1f', 1), 'UTF8'))
      || protobuf_field(3, convert_to(written || split_part(person, E'\x1f', 2), 'UTF8')) as field
    from unnest(p_people) as person, (values (''), ('+')) as plus (written)
    union all
    select protobuf_field(4, convert_to(written || phone, 'UTF8'))
    from unnest(p_phones) as phone, (values (''), ('+')) as plus (written)
    union all
    select protobuf_field(1, uuid_send(session)) from unnest(p_sessions) as session
  )
  select a.* from ledger_set_aside a
  where (a.tenant_id = public.bindery_tenant() or a.tenant_id is null
      and position(protobuf_field(2, uuid_send(public.bindery_tenant())) in a.record) > 0)
    and exists (select from wanted w where position(w.field in a.record) > 0)
$$;

create function erase_set_aside(p_people text[], p_phones text[], p_sessions uuid[])
returns bigint
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
declare
  v_count bigint;
begin
  delete from ledger_set_aside a using person_set_aside(p_people, p_phones, p_sessions) p
  where a.node_id = p.node_id and a.spool_incarnation = p.spool_incarnation
    and a.sequence = p.sequence;
  get diagnostics v_count = row_count;
  return v_count;
end $$;

-- The row is locked before it is looked at: a tenant that gets to know the person now is seen.
create or replace function release_user(p_user uuid) returns boolean
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
begin
  perform from users u where u.id = p_user for update;
  delete from users u where u.id = p_user
    and not exists (select from tenant_users t where t.user_id = u.id);
  return found;
end $$;

-- Erases one person from the transaction's tenant. Runs as the caller: row-level security bounds it.
-- `counts` is null when there is nobody; with p_dry_run all is counted and undone.
create function erase_person(
  p_user uuid, p_phone text, p_channel text, p_external text, p_receipt uuid, p_dry_run boolean,
  out subject text, out erased_at timestamptz, out counts jsonb
) language plpgsql set search_path = pg_catalog, public, pg_temp as $$
declare
  v record;
  v_locked text[] := '{}';
  v_table record;
  v_count bigint;
  v_sum bigint := 0;
  v_user uuid;
begin
  if bindery_tenant() is null then
    raise exception 'erase_person needs bindery.tenant_id' using errcode = 'invalid_parameter_value';
  end if;
  loop
    select * into v from person_subject(p_user, p_phone, p_channel, p_external);
    exit when v.people <@ v_locked;
    perform pg_advisory_xact_lock(person_key(person))
    from (select person from unnest(v.people) as person order by person) in_order;
    v_locked := v.people;
  end loop;
  erased_at := clock_timestamp();
  counts := '[]';
  subject := person_reference(v.people, v.phones);
  perform bury_person(v.people, array(
    select concat_ws(E'\x1f', i.channel, i.dedupe_scope, i.provider_message_id) from inputs i
    where i.tenant_id = bindery_tenant()
      and i.accepted_at > erase_person.erased_at - interval '30 days'
      and (person_name(i.channel, i.external_id) = any (v.people)
        or ltrim(i.phone, '+') = any (v.phones))
  ), erased_at, p_receipt);

  for v_table in select * from person_tables() order by place loop
    if v_table.kept is null then
      execute format('delete from %I t where t.tenant_id = bindery_tenant() and (%s)',
        v_table.name, v_table.mine) using v.users, v.people, v.phones, v.sessions;
    else
      execute format('update %I t set %s where t.tenant_id = bindery_tenant() and (%s)',
        v_table.name, v_table.kept, v_table.mine) using v.users, v.people, v.phones, v.sessions;
    end if;
    get diagnostics v_count = row_count;
    v_sum := v_sum + v_count;
    counts := counts || jsonb_build_object('table', v_table.name,
      'removed', case when v_table.kept is null then v_count else 0 end,
      'kept_anonymous', case when v_table.kept is null then 0 else v_count end);
  end loop;
  v_count := erase_set_aside(v.people, v.phones, v.sessions);
  v_sum := v_sum + v_count;
  counts := counts
    || jsonb_build_object('table', 'ledger_set_aside', 'removed', v_count, 'kept_anonymous', 0);
  v_count := 0;
  foreach v_user in array v.users loop
    if release_user(v_user) then v_count := v_count + 1; end if;
  end loop;
  counts := counts || jsonb_build_object('table', 'users', 'removed', v_count, 'kept_anonymous', 0);

  -- Nobody says that it is complete before it is.
  for v_table in select * from person_tables() order by place loop
    execute format('select count(*) from %I t where t.tenant_id = bindery_tenant() and (%s)',
      v_table.name, v_table.mine) into v_count using v.users, v.people, v.phones, v.sessions;
    if v_count > 0 then
      raise exception 'rows of the person came back while they were erased'
        using errcode = 'serialization_failure', table = v_table.name;
    end if;
  end loop;
  if v_sum = 0 then counts := null; end if;
  if v_sum = 0 or p_dry_run then
    raise exception 'only counted' using errcode = 'BN001';
  end if;
exception when sqlstate 'BN001' then
  -- What was done is undone, the counts stay.
  null;
end $$;
drop function erase_user(uuid);

-- How many rows there are of a person, over all tables.
create function count_person(
  p_users uuid[], p_people text[], p_phones text[], p_sessions uuid[]
) returns bigint language plpgsql set search_path = pg_catalog, public, pg_temp as $$
declare
  v_table record;
  v_count bigint;
  v_sum bigint := 0;
begin
  for v_table in select * from person_tables() loop
    execute format('select count(*) from %I t where t.tenant_id = bindery_tenant() and (%s)',
      v_table.name, v_table.mine) into v_count using p_users, p_people, p_phones, p_sessions;
    v_sum := v_sum + v_count;
  end loop;
  select count(*) into v_count from person_set_aside(p_people, p_phones, p_sessions);
  return v_sum + v_count;
end $$;

-- Opens a cursor over a person's rows of one table, a JSON text each.
create function open_person_rows(
  p_table text, p_users uuid[], p_people text[], p_phones text[], p_sessions uuid[],
  p_cursor refcursor
) returns refcursor language plpgsql set search_path = pg_catalog, public, pg_temp as $$
declare
  v_table record;
begin
  select * into strict v_table from person_tables() where name = p_table;
  open p_cursor for execute format('select to_jsonb(t)::text as row from %I t
    where t.tenant_id = bindery_tenant() and (%s) order by %s',
    v_table.name, v_table.mine, v_table.sorted) using p_users, p_people, p_phones, p_sessions;
  return p_cursor;
end $$;

do $$
declare
  f text;
begin
  grant create on schema public to bindery_definer;
  foreach f in array array[
    'people_of(uuid, text, text, text)', 'phone_of(uuid)',
    'person_reference(text[], text[])',
    'bury_person(text[], text[], timestamptz, uuid)', 'is_erased(text, text, timestamptz)',
    'note_late_record(text, text)', 'drop_late_input()',
    'person_set_aside(text[], text[], uuid[])', 'erase_set_aside(text[], text[], uuid[])'
  ] loop
    execute format('revoke execute on function %s from public', f);
    execute format('grant execute on function %s to bindery_app', f);
    execute format('alter function %s owner to bindery_definer', f);
  end loop;
  revoke create on schema public from bindery_definer;
  foreach f in array array[
    'person_subject(uuid, text, text, text)',
    'erase_person(uuid, text, text, text, uuid, boolean)',
    'count_person(uuid[], text[], text[], uuid[])',
    'open_person_rows(text, uuid[], text[], text[], uuid[], refcursor)',
    'admit_record(text, text, timestamptz)'
  ] loop
    execute format('revoke execute on function %s from public', f);
    execute format('grant execute on function %s to bindery_app', f);
  end loop;
end $$;
