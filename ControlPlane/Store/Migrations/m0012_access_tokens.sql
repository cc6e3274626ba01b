-- Access tokens: of the platform (role admin, role node; no tenant) and of one tenant (author, viewer).
-- The text of a token is stored nowhere, only its SHA-256.

create table access_tokens (
  -- Public: shown in lists and logs.
  id text primary key check (id ~ '^[a-z2-7]{10}$'),
  hash bytea not null unique check (octet_length(hash) = 32),
  role text not null check (role in ('admin', 'author', 'viewer', 'node')),
  tenant_id uuid references tenants (id) on delete cascade,
  name text not null default '',
  node_id text,
  -- Null: any.
  region text,
  -- Null: all. Ids are never used again, so one of a tenant that is gone lets nothing through.
  node_tenants uuid[] check (cardinality(node_tenants) > 0),
  created_at timestamptz not null default now(),
  created_by text not null default '',
  expires_at timestamptz,
  last_used_at timestamptz,
  revoked_at timestamptz,
  check ((role in ('author', 'viewer')) = (tenant_id is not null)),
  check ((role = 'node') = (node_id is not null)),
  check (role = 'node' or (region is null and node_tenants is null))
);
create index access_tokens_tenant on access_tokens (tenant_id);

-- One row. Rises with each change of a token, so that looking for changes costs one small read.
create table access_line (
  one boolean primary key default true check (one),
  version bigint not null default 0
);
insert into access_line default values;

create function advance_access_line() returns trigger language plpgsql as $$
begin
  update access_line set version = version + 1;
  return null;
end $$;
-- When a token was last used is no change of what it may do.
create trigger access_tokens_changed
  after insert or delete or update of hash, expires_at, revoked_at on access_tokens
  for each statement execute function advance_access_line();

-- A transaction sees the tokens of its tenant, or, when it works for none, those of the platform.
alter table access_tokens enable row level security;
alter table access_tokens force row level security;
create policy one_tenant_or_platform on access_tokens to bindery_app
  using (tenant_id is not distinct from (select bindery_tenant()))
  with check (tenant_id is not distinct from (select bindery_tenant()));
-- Never the hash: whoever holds it could look for the token.
grant select (
    id, role, tenant_id, name, node_id, region, node_tenants, created_at, created_by, expires_at,
    last_used_at, revoked_at
  ), insert, update (hash, expires_at, last_used_at, revoked_at)
  on access_tokens to bindery_app;
-- The replicas hold all of them in memory.
create policy all_tokens on access_tokens for select to bindery_distribution using (true);
grant select on access_tokens to bindery_distribution;

grant select, update (version) on access_line to bindery_app;
grant select on access_line to bindery_distribution;
