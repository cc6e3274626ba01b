-- The past goes in batches, each a transaction of its own, so that publications wait for a short look
-- at a few sections and not for all of it; and the audit log has a retention of its own.

alter table history_retention
  -- 0: for ever. What was done lately is always told.
  add column audit_keep_days int not null default 0
    check (audit_keep_days = 0 or audit_keep_days >= 30);
grant update (audit_keep_days) on history_retention to bindery_app;

create or replace function audit_retention() returns trigger language plpgsql as $$
begin
  if (old.keep_days, old.keep_revisions) <> (new.keep_days, new.keep_revisions) then
    insert into audit_log (tenant_id, action, object_kind, object, detail)
    values (null, 'update', 'Retention', 'history',
      format('%s days to %s, %s revisions to %s', old.keep_days, new.keep_days, old.keep_revisions,
        new.keep_revisions));
  end if;
  if old.audit_keep_days <> new.audit_keep_days then
    insert into audit_log (tenant_id, action, object_kind, object, detail)
    values (null, 'update', 'Retention', 'audit log',
      format('%s days to %s', old.audit_keep_days, new.audit_keep_days));
  end if;
  return null;
end $$;
drop trigger audit_update on history_retention;
create trigger audit_update
  after update of keep_days, keep_revisions, audit_keep_days on history_retention
  for each row when ((old.keep_days, old.keep_revisions, old.audit_keep_days)
    <> (new.keep_days, new.keep_revisions, new.audit_keep_days))
  execute function audit_retention();

-- The oldest revision that the policy keeps; never one before what is gone already.
create function oldest_to_keep() returns bigint language sql stable as $$
  select case when h.keep_days = 0 then h.oldest_revision else greatest(h.oldest_revision, least(
    -- The revision that was in force at the beginning of the days is the oldest of them.
    coalesce((
      select max(c.revision) from public.commits c
      where c.committed_at <= now() - make_interval(days => h.keep_days)), 0),
    l.revision - h.keep_revisions + 1)) end
  from public.history_retention h, public.revision_line l
$$;

-- Rows that no revision from p_oldest on needs: a newer one was in force by then.
create function past_tier_versions(p_oldest bigint) returns table (place tid)
language sql stable as $$
  select v.ctid from public.tier_config_versions v
  where exists (
    select from public.tier_config_versions n
    left join public.commits c on c.commit_id = n.commit_id
    where n.tier = v.tier and n.tier_id = v.tier_id and n.version > v.version
      and coalesce(c.revision, 0) <= p_oldest)
$$;

create function past_object_versions(p_oldest bigint) returns table (place tid)
language sql stable as $$
  select v.ctid from public.object_versions v
  where exists (
    select from public.object_versions n
    left join public.commits c on c.commit_id = n.commit_id
    where n.tenant_id = v.tenant_id and n.kind = v.kind and n.object_id = v.object_id
      and n.version > v.version and coalesce(c.revision, 0) <= p_oldest)
$$;

create function past_changes(p_oldest bigint) returns table (place tid)
language sql stable as $$
  select l.ctid from public.changelog l join public.commits c on c.commit_id = l.commit_id
  where c.revision <= p_oldest and exists (
    select from public.changelog n join public.commits nc on nc.commit_id = n.commit_id
    where n.tenant_id = l.tenant_id and n.kind = l.kind and n.key = l.key
      and nc.revision <= p_oldest and (nc.revision, n.ordinal) > (c.revision, l.ordinal))
$$;

create function past_removals(p_oldest bigint) returns table (place tid)
language sql stable as $$
  select l.ctid from public.changelog l join public.commits c on c.commit_id = l.commit_id
  where c.revision <= p_oldest and l.op = 'remove'
$$;

-- Counts what is to go; locks nothing.
create function count_past(
  out oldest bigint, out versions bigint, out changes bigint, out sections bigint
) language plpgsql stable security definer set search_path = pg_catalog, public, pg_temp as $$
begin
  oldest := oldest_to_keep();
  versions := (select count(*) from past_tier_versions(oldest))
    + (select count(*) from past_object_versions(oldest));
  changes := (
    select count(*) from (
      select place from past_changes(oldest) union select place from past_removals(oldest)) p);
  with gone as materialized (select place from past_changes(oldest)),
  named as (
    select tenant_id, unnest(section_digests) as digest from compiled_bindings
    union
    select tenant_id, unnest(section_digests) as digest from rollout_candidates where active
    union
    select l.tenant_id, d.digest
    from changelog l, jsonb_array_elements_text(l.resource->'sectionDigests') as d (digest)
    where l.kind in ('binding', 'candidate') and l.op = 'put' and l.ctid not in (select place from gone)
  )
  select count(*) into sections from compiled_sections s
  where not exists (
    select from named n
    where n.digest = s.digest and (s.tenant_id is null or n.tenant_id = s.tenant_id));
end $$;

-- Removes at most p_limit rows of what is to go; `done` when nothing was left. Calls follow each other:
-- what one has removed, none tells to be there.
create function prune_history_batch(
  p_limit int, out oldest bigint, out versions bigint, out changes bigint, out sections bigint,
  out done boolean
) language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
declare
  v_left bigint := p_limit;
  v_count bigint;
  v_seen bigint;
  v_tenants uuid[];
  v_digests text[];
begin
  perform from history_retention for update;
  oldest := oldest_to_keep();
  -- With the first rows that go: from then on older revisions are told to be gone.
  update history_retention set oldest_revision = oldest where oldest_revision <> oldest;
  versions := 0;
  changes := 0;
  sections := 0;
  done := false;

  delete from tier_config_versions
  where ctid = any (array(select place from past_tier_versions(oldest) limit v_left));
  get diagnostics versions = row_count;
  v_left := v_left - versions;
  if v_left <= 0 then return; end if;
  delete from object_versions
  where ctid = any (array(select place from past_object_versions(oldest) limit v_left));
  get diagnostics v_count = row_count;
  versions := versions + v_count;
  v_left := v_left - v_count;
  if v_left <= 0 then return; end if;

  -- A removal goes after all that it removed, or that would seem to be there again.
  delete from changelog
  where ctid = any (array(select place from past_changes(oldest) limit v_left));
  get diagnostics changes = row_count;
  v_left := v_left - changes;
  if v_left <= 0 then return; end if;
  delete from changelog
  where ctid = any (array(select place from past_removals(oldest) limit v_left));
  get diagnostics v_count = row_count;
  changes := changes + v_count;
  v_left := v_left - v_count;
  if v_left <= 0 then return; end if;

  select revision into v_seen from revision_line;
  with named as (
    select tenant_id, unnest(section_digests) as digest from compiled_bindings
    union
    select tenant_id, unnest(section_digests) as digest from rollout_candidates where active
    union
    select l.tenant_id, d.digest
    from changelog l, jsonb_array_elements_text(l.resource->'sectionDigests') as d (digest)
    where l.kind in ('binding', 'candidate') and l.op = 'put'
  ),
  unnamed as (
    select s.tenant_id, s.digest from compiled_sections s
    where not exists (
      select from named n
      where n.digest = s.digest and (s.tenant_id is null or n.tenant_id = s.tenant_id))
    limit v_left
  )
  select array_agg(tenant_id), array_agg(digest) into v_tenants, v_digests from unnamed;
  if v_digests is not null then
    -- Publications take this lock before they look for sections. Those that were faster have committed
    -- since, and all that they name is in the changelog.
    lock table compiled_bindings in share row exclusive mode;
    delete from compiled_sections s using unnest(v_tenants, v_digests) as k (tenant_id, digest)
    where s.digest = k.digest and s.tenant_id is not distinct from k.tenant_id
      and not exists (
        select from commits c join changelog l on l.commit_id = c.commit_id
        where c.revision > v_seen and l.kind in ('binding', 'candidate') and l.op = 'put'
          and l.resource->'sectionDigests' ? s.digest
          and (s.tenant_id is null or l.tenant_id = s.tenant_id));
    get diagnostics sections = row_count;
    v_left := v_left - sections;
  end if;
  done := v_left > 0;
end $$;

create policy retention on audit_log to bindery_definer using (true);
grant select, delete on audit_log to bindery_definer;

-- Removes at most p_limit rows of the audit log that are older than its retention.
create function prune_audit_batch(p_limit int) returns bigint
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
declare
  v_days int;
  v_count bigint;
begin
  select audit_keep_days into v_days from history_retention;
  if v_days = 0 then return 0; end if;
  delete from audit_log where id = any (array(
    select id from audit_log where at < now() - make_interval(days => v_days)
    order by id limit p_limit));
  get diagnostics v_count = row_count;
  return v_count;
end $$;

drop function prune_history(boolean);
do $$
declare
  f text;
begin
  grant create on schema public to bindery_definer;
  foreach f in array array['count_past()', 'prune_history_batch(int)', 'prune_audit_batch(int)'] loop
    execute format('revoke execute on function %s from public', f);
    execute format('grant execute on function %s to bindery_app', f);
    execute format('alter function %s owner to bindery_definer', f);
  end loop;
  revoke create on schema public from bindery_definer;
end $$;
