-- The past of every object, which nobody rewrites, and who owns an object.

-- A source is a place that documents come from, e.g. a repository; none: ''.
alter table tenants add column source text not null default '';
-- What was deleted stays as a row without effect: conversations refer to it, and its versions go on
-- where they ended when it comes back. Tenants are archived instead.
alter table humans
  add column source text not null default '',
  add column removed_at timestamptz;
alter table teams
  add column source text not null default '',
  add column removed_at timestamptz;
alter table agents
  add column source text not null default '',
  add column removed_at timestamptz;
alter table agent_bindings
  add column source text not null default '',
  add column removed_at timestamptz;

-- A version whose config is JSON's null says that the object was deleted.
alter table tier_config_versions
  add column slug text not null default '',
  add column source text not null default '';

-- Versions of what is no tier.
create table object_versions (
  tenant_id uuid not null default bindery_tenant() references tenants (id) on delete cascade,
  kind text not null check (kind in ('Tenant', 'Binding')),
  object_id uuid not null,
  version int not null,
  slug text not null,
  config jsonb not null,
  author text not null default '',
  reason text not null default '',
  source text not null default '',
  -- Null: older than the record of revisions.
  commit_id uuid,
  created_at timestamptz not null default now(),
  primary key (tenant_id, kind, object_id, version)
);

-- The owner of forced tables sees their rows only while they are not forced.
do $$
declare
  t text;
begin
  foreach t in array array[
    'tenants', 'humans', 'teams', 'agents', 'agent_bindings', 'tier_config_versions'
  ] loop
    execute format('alter table %I no force row level security', t);
  end loop;
  update tier_config_versions v set slug = o.slug from (
    select 'human' as tier, id, slug from humans
    union all select 'team', id, slug from teams
    union all select 'agent', id, slug from agents) o
  where o.tier = v.tier and o.id = v.tier_id;
  insert into object_versions (tenant_id, kind, object_id, version, slug, config, created_at)
    select id, 'Tenant', id, version, slug, spec, updated_at from tenants
    union all select tenant_id, 'Binding', id, version, slug, spec, updated_at from agent_bindings;
  foreach t in array array[
    'tenants', 'humans', 'teams', 'agents', 'agent_bindings', 'tier_config_versions'
  ] loop
    execute format('alter table %I force row level security', t);
  end loop;
end $$;

alter table object_versions enable row level security;
alter table object_versions force row level security;
create policy one_tenant on object_versions to bindery_app
  using (tenant_id = (select bindery_tenant()))
  with check (tenant_id = (select bindery_tenant()));
create policy all_configuration on object_versions for select to bindery_distribution using (true);
grant select, insert on object_versions to bindery_app;
grant select on object_versions to bindery_distribution;

-- The daemon adds versions, and can neither change nor delete any, also not by what it deletes.
revoke update, delete on tier_config_versions from bindery_app;
revoke delete on tenants, humans, teams, agents, agent_bindings from bindery_app;

-- Nobody changes one, whatever the role may do.
create function refuse_update() returns trigger language plpgsql as $$
begin
  raise exception 'rows of % are never changed; add another', tg_table_name
    using errcode = 'restrict_violation', table = tg_table_name, constraint = tg_name;
end $$;
create trigger tier_config_versions_immutable before update on tier_config_versions
  for each statement execute function refuse_update();
create trigger object_versions_immutable before update on object_versions
  for each statement execute function refuse_update();
create trigger commits_immutable before update on commits
  for each statement execute function refuse_update();
create trigger changelog_immutable before update on changelog
  for each statement execute function refuse_update();

-- All versions of all kinds, each with the revision that brought it.
create view config_versions with (security_invoker = true) as
  select v.tenant_id, v.kind, v.object_id, v.slug, v.version, v.config, v.author, v.reason, v.source,
    coalesce(c.revision, 0) as revision, v.created_at
  from (
    select tenant_id, initcap(tier) as kind, tier_id as object_id, slug, version, config, author,
      reason, source, commit_id, created_at
    from tier_config_versions
    union all
    select tenant_id, kind, object_id, slug, version, config, author, reason, source, commit_id,
      created_at
    from object_versions
  ) v
  left join commits c on c.commit_id = v.commit_id;
grant select on config_versions to bindery_app, bindery_distribution;

-- A tenant's status and its routes as of a revision.
create index changelog_past on changelog (tenant_id, kind) where kind in ('tenant', 'route');
