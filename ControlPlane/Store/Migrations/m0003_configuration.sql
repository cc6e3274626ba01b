-- What is compiled, where it is reachable, and the one revision line.

-- One channel's address of a binding. agent_bindings.routing_key is the first of them.
create table binding_routes (
  channel text not null check (channel in ('whatsapp', 'web')),
  -- Digits of a WhatsApp number, or a lower-case punycode host.
  key text not null,
  tenant_id uuid not null default bindery_tenant() references tenants (id) on delete cascade,
  binding_id uuid not null,
  created_at timestamptz not null default now(),
  primary key (channel, key),
  foreign key (tenant_id, binding_id) references agent_bindings (tenant_id, id) on delete cascade,
  constraint binding_routes_key_form check (
    case channel
      when 'whatsapp' then key ~ '^[0-9]{6,15}$'
      else key ~ '^[a-z0-9]([a-z0-9.:-]{0,251}[a-z0-9])?$'
    end)
);
create index binding_routes_binding on binding_routes (tenant_id, binding_id);

-- Numbers and apps that a tenant speaks from. Secrets are references, never values.
create table channel_accounts (
  tenant_id uuid not null default bindery_tenant() references tenants (id) on delete cascade,
  channel text not null check (channel in ('whatsapp')),
  -- Stands in the webhook's path, so it is unique over all tenants.
  slug text not null,
  phone_number_id text not null default '',
  display_number text not null default '' check (display_number ~ '^[0-9]*$'),
  app_secret_ref text not null default '',
  verify_token_ref text not null default '',
  access_token_ref text not null default '',
  updated_at timestamptz not null default now(),
  primary key (tenant_id, channel, slug),
  unique (channel, slug)
);
create unique index channel_accounts_phone_number
  on channel_accounts (channel, phone_number_id) where phone_number_id <> '';

-- Immutable compiled tiers by the SHA-256 of their content; no tenant: platform.
create table compiled_sections (
  tenant_id uuid references tenants (id) on delete cascade,
  digest text not null check (digest ~ '^[0-9a-f]{64}$'),
  kind text not null check (kind in ('platform', 'human', 'team', 'agent')),
  content text not null,
  created_at timestamptz not null default now(),
  unique nulls not distinct (tenant_id, digest),
  check ((tenant_id is null) = (kind = 'platform'))
);

-- The current compiled form of each binding.
create table compiled_bindings (
  tenant_id uuid not null default bindery_tenant() references tenants (id) on delete cascade,
  binding_id uuid not null,
  digest text not null check (digest ~ '^[0-9a-f]{64}$'),
  content text not null,
  section_digests text[] not null,
  is_active boolean not null,
  primary key (tenant_id, binding_id),
  foreign key (tenant_id, binding_id) references agent_bindings (tenant_id, id) on delete cascade
);

-- One row: the newest revision, and which store this is (a restored one gets a new incarnation).
create table revision_line (
  one boolean primary key default true check (one),
  revision bigint not null default 0,
  incarnation uuid not null default gen_random_uuid()
);
insert into revision_line default values;

-- Who, when and why. A commit's rows elsewhere carry its commit_id, so that they can be written
-- before the revision is taken, which is the last statement of its transaction.
create table commits (
  revision bigint primary key,
  commit_id uuid not null unique,
  committed_at timestamptz not null,
  author text not null,
  reason text not null
);

-- What each commit put and removed. Sections are not in it: bindings name them.
create table changelog (
  commit_id uuid not null,
  ordinal int not null,
  tenant_id uuid references tenants (id) on delete cascade,
  op text not null check (op in ('put', 'remove')),
  kind text not null
    check (kind in ('tenant', 'channel_account', 'section', 'binding', 'route')),
  -- The parts of the key after the tenant.
  key text[] not null,
  resource jsonb,
  primary key (commit_id, ordinal),
  check ((op = 'put') = (resource is not null))
);
create index changelog_tenant on changelog (tenant_id);
