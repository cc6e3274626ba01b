-- The audit log tells of what is deleted although its row stays, of what comes back, of who takes an
-- object over from whom, and of how much of the past is kept.

-- "version 3 to 4, source repo-a to repo-b"
create function audit_step(v_from int, v_to int, s_from text, s_to text) returns text
  language sql immutable parallel safe
  return concat_ws(', ',
    case when v_from <> v_to then 'version ' || v_from || ' to ' || v_to end,
    case when s_from <> s_to
      then 'source ' || quote_literal(s_from) || ' to ' || quote_literal(s_to) end);

create or replace function audit_objects() returns trigger language plpgsql as $$
begin
  case tg_op
    when 'INSERT' then
      insert into audit_log (tenant_id, action, object_kind, object, detail)
      select n.tenant_id, 'create', tg_argv[0], n.slug, 'version ' || n.version
      from new_rows n order by n.slug;
    when 'UPDATE' then
      insert into audit_log (tenant_id, action, object_kind, object, detail)
      select n.tenant_id,
        case
          when n.removed_at is not null and o.removed_at is null then 'delete'
          when n.removed_at is null and o.removed_at is not null then 'create'
          when n.version = o.version then 'adopt'
          else 'update'
        end,
        tg_argv[0], n.slug, audit_step(o.version, n.version, o.source, n.source)
      from old_rows o join new_rows n using (id)
      where n.version <> o.version or n.source <> o.source order by n.slug;
    else
      insert into audit_log (tenant_id, action, object_kind, object, detail)
      select o.tenant_id, 'delete', tg_argv[0], o.slug, 'version ' || o.version
      from old_rows o order by o.slug;
  end case;
  return null;
end $$;

create or replace function audit_tenants() returns trigger language plpgsql as $$
begin
  case tg_op
    when 'INSERT' then
      insert into audit_log (tenant_id, action, object_kind, object, detail)
      select n.id, 'create', 'Tenant', n.slug, 'version ' || n.version from new_rows n;
    when 'UPDATE' then
      insert into audit_log (tenant_id, action, object_kind, object, detail)
      select n.id, case when n.version = o.version then 'adopt' else 'update' end, 'Tenant', n.slug,
        audit_step(o.version, n.version, o.source, n.source)
      from old_rows o join new_rows n using (id)
      where n.version <> o.version or n.source <> o.source;
      insert into audit_log (tenant_id, action, object_kind, object, detail)
      select n.id, 'switch', 'Tenant', n.slug, o.status || ' to ' || n.status
      from old_rows o join new_rows n using (id) where n.status <> o.status;
    else
      insert into audit_log (tenant_id, action, object_kind, object)
      select o.id, 'delete', 'Tenant', o.slug from old_rows o;
  end case;
  return null;
end $$;

create function audit_retention() returns trigger language plpgsql as $$
begin
  insert into audit_log (tenant_id, action, object_kind, object, detail)
  values (null, 'update', 'Retention', 'history',
    format('%s days to %s, %s revisions to %s', old.keep_days, new.keep_days, old.keep_revisions,
      new.keep_revisions));
  return null;
end $$;
create trigger audit_update after update of keep_days, keep_revisions on history_retention
  for each row when (old.keep_days <> new.keep_days or old.keep_revisions <> new.keep_revisions)
  execute function audit_retention();
