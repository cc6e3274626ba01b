-- The audit log: who changed what, when, why and from where. Triggers write it, so that no way of
-- changing something passes it by, in the transaction of the change. Of what a transaction says of
-- itself it takes bindery.audit_actor, _actor_id, _role, _peer, _reason and _commit.

-- Roles of people and programs: of one tenant, or, without one, of the platform.
alter table access_tokens
  drop constraint access_tokens_role_check,
  drop constraint access_tokens_check,
  add constraint access_tokens_role_check
    check (role in ('viewer', 'author', 'operator', 'admin', 'node')),
  add constraint access_tokens_node_is_the_platforms check (role <> 'node' or tenant_id is null);

create function bindery_audit(what text) returns text
  language sql stable parallel safe
  return left(coalesce(current_setting('bindery.audit_' || what, true), ''), 2000);

create table audit_log (
  id bigint generated always as identity primary key,
  at timestamptz not null default clock_timestamp(),
  -- Null: the platform's. No reference: the log outlives what it tells of.
  tenant_id uuid,
  -- Public id of the token, or of the node's certificate.
  actor_id text not null default bindery_audit('actor_id'),
  actor text not null
    default coalesce(nullif(bindery_audit('actor'), ''), 'database role ' || session_user),
  role text not null default bindery_audit('role'),
  peer text not null default bindery_audit('peer'),
  reason text not null default bindery_audit('reason'),
  -- Its revision stands in commits.
  commit_id uuid default nullif(bindery_audit('commit'), '')::uuid,
  action text not null,
  object_kind text not null default '',
  object text not null default '',
  detail text not null default '',
  refused boolean not null default false
);
create index audit_log_tenant on audit_log (tenant_id, id);
create index audit_log_actor_id on audit_log (actor_id, id);
create index audit_log_actor on audit_log (actor, id);
create index audit_log_at on audit_log using brin (at);
create index audit_log_object on audit_log (object_kind, object, id);

alter table audit_log enable row level security;
alter table audit_log force row level security;
create policy one_tenant_or_platform on audit_log to bindery_app
  using (tenant_id is not distinct from (select bindery_tenant()))
  with check (tenant_id is not distinct from (select bindery_tenant()));
create policy whole_log on audit_log for select to bindery_distribution using (true);
-- What a deleted tenant takes along is deleted in the owner's name.
create policy owner_adds on audit_log for insert to current_user with check (true);
-- Nobody who serves may change or remove a row, nor say when it was written.
grant select, insert (tenant_id, action, object_kind, object, detail, refused)
  on audit_log to bindery_app;
grant select on audit_log to bindery_distribution;

-- Objects of a tenant; the trigger's argument is their kind.
create function audit_objects() returns trigger language plpgsql as $$
begin
  case tg_op
    when 'INSERT' then
      insert into audit_log (tenant_id, action, object_kind, object, detail)
      select n.tenant_id, 'create', tg_argv[0], n.slug, 'version ' || n.version
      from new_rows n order by n.slug;
    when 'UPDATE' then
      insert into audit_log (tenant_id, action, object_kind, object, detail)
      select n.tenant_id, 'update', tg_argv[0], n.slug,
        'version ' || o.version || ' to ' || n.version
      from old_rows o join new_rows n using (id) where n.version <> o.version order by n.slug;
    else
      insert into audit_log (tenant_id, action, object_kind, object, detail)
      select o.tenant_id, 'delete', tg_argv[0], o.slug, 'version ' || o.version
      from old_rows o order by o.slug;
  end case;
  return null;
end $$;

create function audit_tenants() returns trigger language plpgsql as $$
begin
  case tg_op
    when 'INSERT' then
      insert into audit_log (tenant_id, action, object_kind, object, detail)
      select n.id, 'create', 'Tenant', n.slug, 'version ' || n.version from new_rows n;
    when 'UPDATE' then
      insert into audit_log (tenant_id, action, object_kind, object, detail)
      select n.id, 'update', 'Tenant', n.slug, 'version ' || o.version || ' to ' || n.version
      from old_rows o join new_rows n using (id) where n.version <> o.version;
      insert into audit_log (tenant_id, action, object_kind, object, detail)
      select n.id, 'switch', 'Tenant', n.slug, o.status || ' to ' || n.status
      from old_rows o join new_rows n using (id) where n.status <> o.status;
    else
      insert into audit_log (tenant_id, action, object_kind, object)
      select o.id, 'delete', 'Tenant', o.slug from old_rows o;
  end case;
  return null;
end $$;

create function audit_tokens() returns trigger language plpgsql as $$
begin
  case tg_op
    when 'INSERT' then
      insert into audit_log (tenant_id, action, object_kind, object, detail)
      select n.tenant_id, 'create', 'Token', n.id, concat_ws(', ', n.role, nullif(n.name, ''),
        'node ' || n.node_id, 'region ' || n.region,
        'tenants ' || array_to_string(n.node_tenants, ' '),
        'until ' || to_char(n.expires_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'))
      from new_rows n;
    when 'UPDATE' then
      insert into audit_log (tenant_id, action, object_kind, object)
      select n.tenant_id, 'rotate', 'Token', n.id
      from old_rows o join new_rows n using (id) where n.hash <> o.hash;
      insert into audit_log (tenant_id, action, object_kind, object)
      select n.tenant_id, 'revoke', 'Token', n.id
      from old_rows o join new_rows n using (id)
      where n.revoked_at is distinct from o.revoked_at;
    else
      insert into audit_log (tenant_id, action, object_kind, object)
      select o.tenant_id, 'delete', 'Token', o.id from old_rows o;
  end case;
  return null;
end $$;

do $$
declare
  audited record;
begin
  for audited in
    select * from (values
      ('tenants', 'audit_tenants()'), ('humans', 'audit_objects(''Human'')'),
      ('teams', 'audit_objects(''Team'')'), ('agents', 'audit_objects(''Agent'')'),
      ('agent_bindings', 'audit_objects(''Binding'')'), ('access_tokens', 'audit_tokens()')
    ) as v (name, function)
  loop
    execute format('create trigger audit_insert after insert on %I referencing new table as
      new_rows for each statement execute function %s', audited.name, audited.function);
    execute format('create trigger audit_update after update on %I referencing old table as
      old_rows new table as new_rows for each statement execute function %s',
      audited.name, audited.function);
    execute format('create trigger audit_delete after delete on %I referencing old table as
      old_rows for each statement execute function %s', audited.name, audited.function);
  end loop;
end $$;
