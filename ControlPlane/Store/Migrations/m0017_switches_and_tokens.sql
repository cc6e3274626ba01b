-- Who set a tenant's status: what the platform has paused, the tenant's own people can't resume.

alter table tenants
  add column switched_by text not null default 'platform'
    check (switched_by in ('platform', 'tenant'));

-- Those that are paused now: by the last switch in the audit log, whose token was the tenant's or the
-- platform's. What nobody can tell stays the platform's. As the owner, past row-level security.
alter table tenants no force row level security;
alter table access_tokens no force row level security;
alter table audit_log no force row level security;
update tenants t set switched_by = 'tenant'
where t.status <> 'active' and t.id = (
  select k.tenant_id from access_tokens k
  where k.id = (
    select a.actor_id from audit_log a
    where a.tenant_id = t.id and a.action = 'switch' and not a.refused order by a.id desc limit 1));
alter table tenants force row level security;
alter table access_tokens force row level security;
alter table audit_log force row level security;

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
      -- The second: paused by the tenant, and now by the platform too.
      insert into audit_log (tenant_id, action, object_kind, object, detail)
      select n.id, 'switch', 'Tenant', n.slug,
        case when n.status <> o.status then o.status || ' to ' || n.status else n.status end
          || ', by the ' || n.switched_by
      from old_rows o join new_rows n using (id)
      where n.status <> o.status or n.switched_by <> o.switched_by;
    else
      insert into audit_log (tenant_id, action, object_kind, object)
      select o.id, 'delete', 'Tenant', o.slug from old_rows o;
  end case;
  return null;
end $$;

-- What replicas hold in memory: the live tokens, and those that ended lately.
create index access_tokens_live on access_tokens (created_at, id) where revoked_at is null;
create index access_tokens_ended on access_tokens (least(revoked_at, expires_at));
