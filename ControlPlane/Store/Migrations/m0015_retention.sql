-- How much of the past is kept. What must be kept to read the whole configuration as of a kept
-- revision is kept with it, and the newest version of each object always. Commits stay for ever:
-- who, when and why of each revision.

create table history_retention (
  one boolean primary key default true check (one),
  -- 0: for ever.
  keep_days int not null default 0 check (keep_days >= 0),
  keep_revisions bigint not null default 1000 check (keep_revisions >= 1),
  -- The oldest revision that can be read back.
  oldest_revision bigint not null,
  changed_by text not null default '',
  reason text not null default '',
  changed_at timestamptz
);
-- Tenants and bindings had no versions before.
insert into history_retention (oldest_revision) select revision from revision_line;
grant select, update (keep_days, keep_revisions, changed_by, reason, changed_at)
  on history_retention to bindery_app;
grant select on history_retention to bindery_distribution;

do $$
declare
  t text;
begin
  foreach t in array array[
    'tier_config_versions', 'object_versions', 'changelog', 'compiled_sections', 'compiled_bindings'
  ] loop
    execute format('create policy retention on %I to bindery_definer using (true)', t);
    execute format('grant select, delete on %I to bindery_definer', t);
  end loop;
end $$;
grant select on commits, revision_line to bindery_definer;
grant select, update (oldest_revision) on history_retention to bindery_definer;

-- Removes what need not be kept by the policy, and only that. With p_dry_run it counts and undoes.
create function prune_history(
  p_dry_run boolean, out oldest bigint, out versions bigint, out changes bigint, out sections bigint
) language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
declare
  v_newest bigint;
  v_kept history_retention;
  v_count bigint;
begin
  -- One at a time: what is gone must not be told to be there by one that began earlier.
  select * into v_kept from history_retention for update;
  select revision into v_newest from revision_line;
  oldest := v_kept.oldest_revision;
  if v_kept.keep_days > 0 then
    -- The revision that was in force at the beginning of the days is the oldest of them.
    oldest := greatest(oldest, least(
      coalesce((
        select max(revision) from commits
        where committed_at <= now() - make_interval(days => v_kept.keep_days)), 0),
      v_newest - v_kept.keep_revisions + 1));
  end if;

  delete from tier_config_versions v using (
    select b.tier, b.tier_id, max(b.version) as version
    from tier_config_versions b left join commits c on c.commit_id = b.commit_id
    where coalesce(c.revision, 0) <= oldest group by 1, 2
  ) base
  where v.tier = base.tier and v.tier_id = base.tier_id and v.version < base.version;
  get diagnostics versions = row_count;
  delete from object_versions v using (
    select b.tenant_id, b.kind, b.object_id, max(b.version) as version
    from object_versions b left join commits c on c.commit_id = b.commit_id
    where coalesce(c.revision, 0) <= oldest group by 1, 2, 3
  ) base
  where v.tenant_id = base.tenant_id and v.kind = base.kind and v.object_id = base.object_id
    and v.version < base.version;
  get diagnostics v_count = row_count;
  versions := versions + v_count;

  delete from changelog l using (
    select p.commit_id, p.ordinal, p.op, row_number() over (
      partition by p.tenant_id, p.kind, p.key order by c.revision desc, p.ordinal desc) as place
    from changelog p join commits c on c.commit_id = p.commit_id where c.revision <= oldest
  ) past
  where l.commit_id = past.commit_id and l.ordinal = past.ordinal
    and (past.place > 1 or past.op = 'remove');
  get diagnostics changes = row_count;

  -- Publications write compiled bindings before they look for sections: none is between the two
  -- while this runs, so that no section goes that one of them has just found.
  lock table compiled_bindings in share row exclusive mode;
  with named as (
    select tenant_id, unnest(section_digests) as digest from compiled_bindings
    union
    select l.tenant_id, d.digest
    from changelog l, jsonb_array_elements_text(l.resource->'sectionDigests') as d (digest)
    where l.kind = 'binding' and l.op = 'put'
  )
  delete from compiled_sections s
  where not exists (
    select from named n
    where n.digest = s.digest and (s.tenant_id is null or n.tenant_id = s.tenant_id));
  get diagnostics sections = row_count;

  update history_retention set oldest_revision = oldest where oldest_revision <> oldest;
  if p_dry_run then
    raise exception 'only counted' using errcode = 'BN001';
  end if;
exception when sqlstate 'BN001' then
  -- The deletions are undone, the counts stay.
  null;
end $$;
revoke execute on function prune_history(boolean) from public;
grant execute on function prune_history(boolean) to bindery_app;
grant create on schema public to bindery_definer;
alter function prune_history(boolean) owner to bindery_definer;
revoke create on schema public from bindery_definer;
