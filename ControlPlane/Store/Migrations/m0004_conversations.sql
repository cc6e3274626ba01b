-- Conversations: who people are to a tenant, what they wrote, who is answering, what is to be sent.
-- A conversation is (tenant_id, binding_id, channel, external_id).

-- A person as one tenant knows them. users itself is shared by all tenants and closed to them.
create table tenant_users (
  tenant_id uuid not null default bindery_tenant() references tenants (id) on delete cascade,
  user_id uuid not null references users (id) on delete cascade,
  display_name text,
  locale text,
  created_at timestamptz not null default now(),
  primary key (tenant_id, user_id)
);
create index tenant_users_user on tenant_users (user_id);

create table user_identities (
  tenant_id uuid not null default bindery_tenant(),
  channel text not null,
  external_id text not null,
  user_id uuid not null,
  created_at timestamptz not null default now(),
  primary key (tenant_id, channel, external_id),
  foreign key (tenant_id, user_id) references tenant_users (tenant_id, user_id) on delete cascade
);
create index user_identities_user on user_identities (tenant_id, user_id);

-- Inbound messages, from acceptance to their answer.
create table inputs (
  id uuid primary key,
  tenant_id uuid not null default bindery_tenant() references tenants (id) on delete cascade,
  binding_id uuid not null,
  channel text not null,
  external_id text not null,
  channel_account text not null default '',
  provider_message_id text not null,
  -- Message ids are the provider's on WhatsApp, but the visitor's own on the web.
  dedupe_scope text not null generated always as (
    case channel when 'web' then external_id else channel_account end) stored,
  -- Of the messages row that will show it.
  message_id uuid not null,
  body text not null default '',
  phone text not null default '',
  display_name text not null default '',
  metadata jsonb not null default '{}',
  received_at timestamptz not null,
  accepted_at timestamptz not null default now(),
  due_at timestamptz not null,
  state text not null check (state in ('accepted', 'leased', 'answered', 'held')),
  turn_id uuid,
  -- Offered to a node until then, so that one piece of work is not offered to all at once.
  offered_until timestamptz,
  foreign key (tenant_id, binding_id) references agent_bindings (tenant_id, id) on delete cascade
);
create unique index inputs_once
  on inputs (tenant_id, channel, dedupe_scope, provider_message_id);
create index inputs_open
  on inputs (tenant_id, binding_id, channel, external_id, accepted_at) where state <> 'answered';
create index inputs_due on inputs (due_at) where state in ('accepted', 'held');
create index inputs_turn on inputs (tenant_id, turn_id);

-- Who answers a conversation now. The row stays, so that the epoch only rises.
create table conversation_leases (
  tenant_id uuid not null default bindery_tenant() references tenants (id) on delete cascade,
  binding_id uuid not null,
  channel text not null,
  external_id text not null,
  epoch bigint not null,
  node_id text not null,
  -- Null once the turn has ended.
  turn_id uuid,
  expires_at timestamptz not null,
  offered_until timestamptz,
  primary key (tenant_id, binding_id, channel, external_id),
  foreign key (tenant_id, binding_id) references agent_bindings (tenant_id, id) on delete cascade
);
create index conversation_leases_running
  on conversation_leases (expires_at) where turn_id is not null;

-- Steps noted before their effect; gone once the turn is committed.
create table turn_journal (
  tenant_id uuid not null default bindery_tenant() references tenants (id) on delete cascade,
  turn_id uuid not null,
  epoch bigint not null,
  step int not null,
  binding_id uuid not null,
  channel text not null,
  external_id text not null,
  kind text not null,
  payload jsonb not null default '{}',
  created_at timestamptz not null default now(),
  primary key (tenant_id, turn_id, epoch, step)
);
create index turn_journal_conversation
  on turn_journal (tenant_id, binding_id, channel, external_id);

-- One row for each turn that was stored: what it ran on, how it ended.
create table turns (
  turn_id uuid primary key,
  tenant_id uuid not null default bindery_tenant() references tenants (id) on delete cascade,
  binding_id uuid not null,
  session_id uuid not null,
  epoch bigint,
  binding_digest text not null default '',
  revision bigint not null default 0,
  human_id uuid,
  human_version int,
  team_id uuid,
  team_version int,
  agent_id uuid,
  agent_version int,
  outcome text not null
    check (outcome in ('replied', 'blocked', 'failed', 'held', 'abandoned', 'unknown')),
  degraded boolean not null default false,
  -- Inputs that another turn had answered already.
  duplicate_inputs int not null default 0,
  stored_at timestamptz not null default now(),
  foreign key (tenant_id, session_id) references sessions (tenant_id, id) on delete cascade,
  foreign key (tenant_id, binding_id) references agent_bindings (tenant_id, id)
);
create index turns_session on turns (session_id);
create index turns_tenant_stored on turns (tenant_id, stored_at);

-- Replies to be sent. Written with the reply in one transaction.
create table outbox (
  id uuid primary key,
  tenant_id uuid not null default bindery_tenant() references tenants (id) on delete cascade,
  binding_id uuid not null,
  session_id uuid not null,
  turn_id uuid not null,
  message_id uuid not null,
  channel text not null,
  external_id text not null,
  channel_account text not null default '',
  recipient text not null,
  state text not null check (state in ('pending', 'sent', 'ambiguous', 'held', 'failed')),
  provider_message_id text not null default '',
  error text not null default '',
  attempts int not null default 0,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  offered_until timestamptz,
  foreign key (tenant_id, session_id) references sessions (tenant_id, id) on delete cascade,
  foreign key (tenant_id, message_id) references messages (tenant_id, id) on delete cascade
);
create index outbox_unsent on outbox (updated_at) where state in ('pending', 'held');
create index outbox_session on outbox (session_id);
create index outbox_message on outbox (tenant_id, message_id);
create index outbox_provider_message on outbox (tenant_id, provider_message_id)
  where provider_message_id <> '';
