-- Tenancy: who owns each row, and that nothing refers across tenants.
-- Foreign key checks do not see row-level security, so each reference exists twice: as the target
-- schema has it, and on (tenant_id, id).

-- The tenant of the transaction; null when none is set.
create function bindery_tenant() returns uuid
  language sql stable parallel safe
  return nullif(current_setting('bindery.tenant_id', true), '')::uuid;

alter table tenants
  add column version int not null default 1,
  add column spec jsonb not null default '{}',
  add column updated_at timestamptz not null default now(),
  -- The commit of the last switch; its revision stands in commits.
  add column switch_commit_id uuid,
  add column stale_policy text not null default 'serve' check (stale_policy in ('serve', 'refuse')),
  add column paused_policy text not null default 'hold' check (paused_policy in ('hold', 'refuse')),
  add column paused_message jsonb not null default '{}',
  add constraint tenants_status_known check (status in ('active', 'paused', 'archived'));

alter table humans
  add column spec jsonb not null default '{}',
  add unique (tenant_id, id);
alter table teams
  add column spec jsonb not null default '{}',
  add unique (tenant_id, id);
alter table agents
  add column spec jsonb not null default '{}',
  add unique (tenant_id, id);

alter table agent_bindings
  add column version int not null default 1,
  add column spec jsonb not null default '{}',
  add column updated_at timestamptz not null default now(),
  add column degraded text not null default 'serve' check (degraded in ('serve', 'hold')),
  add unique (tenant_id, id),
  add foreign key (tenant_id, human_id) references humans (tenant_id, id),
  add foreign key (tenant_id, team_id) references teams (tenant_id, id),
  add foreign key (tenant_id, agent_id) references agents (tenant_id, id);
-- "+919800000001" and "919800000001" are one number.
create unique index agent_bindings_routing_key_normal
  on agent_bindings (ltrim(lower(routing_key), '+'));
create index agent_bindings_human on agent_bindings (tenant_id, human_id);
create index agent_bindings_team on agent_bindings (tenant_id, team_id);
create index agent_bindings_agent on agent_bindings (tenant_id, agent_id);

alter table team_members
  add column tenant_id uuid not null default bindery_tenant()
    references tenants (id) on delete cascade,
  add foreign key (tenant_id, team_id) references teams (tenant_id, id) on delete cascade,
  add foreign key (tenant_id, human_id) references humans (tenant_id, id) on delete cascade;
create index team_members_human on team_members (tenant_id, human_id);

alter table tier_config_versions
  add column tenant_id uuid not null default bindery_tenant()
    references tenants (id) on delete cascade,
  add column author text not null default '',
  add column reason text not null default '',
  add column commit_id uuid;
create index tier_config_versions_tenant on tier_config_versions (tenant_id, tier, tier_id);

alter table sessions
  add column tenant_id uuid not null default bindery_tenant()
    references tenants (id) on delete cascade,
  add column external_id text not null default '',
  -- A person has taken over when 'human'.
  add column owner text not null default 'agent' check (owner in ('agent', 'human')),
  -- Opened on a node without the control plane.
  add column provisional boolean not null default false,
  add unique (tenant_id, id),
  add foreign key (tenant_id, binding_id) references agent_bindings (tenant_id, id);
create index sessions_conversation
  on sessions (tenant_id, binding_id, channel, external_id, last_active_at desc);

alter table messages
  add column tenant_id uuid not null default bindery_tenant()
    references tenants (id) on delete cascade,
  add column turn_id uuid,
  add column provider_message_id text,
  add unique (tenant_id, id),
  add foreign key (tenant_id, session_id) references sessions (tenant_id, id) on delete cascade;
create index messages_tenant_created on messages (tenant_id, created_at);

alter table tool_calls
  add column tenant_id uuid not null default bindery_tenant()
    references tenants (id) on delete cascade,
  add column turn_id uuid,
  add foreign key (tenant_id, session_id) references sessions (tenant_id, id) on delete cascade,
  add foreign key (tenant_id, message_id) references messages (tenant_id, id);
create index tool_calls_session on tool_calls (session_id);
create index tool_calls_message on tool_calls (message_id);
create index tool_calls_tenant_created on tool_calls (tenant_id, created_at);

alter table llm_calls
  add column tenant_id uuid not null default bindery_tenant()
    references tenants (id) on delete cascade,
  add column turn_id uuid,
  add column requested_model text,
  -- Exact; cost_usd is this rounded to six places. Null when the model has no price.
  add column cost_pico_usd bigint,
  add column cache_write_5m_tokens int not null default 0,
  add column cache_write_1h_tokens int not null default 0,
  add column reasoning_tokens int not null default 0,
  add column usage_source text not null default 'provider'
    check (usage_source in ('provider', 'partial', 'estimated')),
  add column error text,
  add column request_id text,
  add column price_table text,
  add foreign key (tenant_id, session_id) references sessions (tenant_id, id) on delete cascade,
  add foreign key (tenant_id, binding_id) references agent_bindings (tenant_id, id);
create index llm_calls_session on llm_calls (session_id);
create index llm_calls_tenant_created on llm_calls (tenant_id, created_at);

alter table guardrail_violations
  add column tenant_id uuid not null default bindery_tenant()
    references tenants (id) on delete cascade,
  add column turn_id uuid,
  add foreign key (tenant_id, session_id) references sessions (tenant_id, id),
  add foreign key (tenant_id, binding_id) references agent_bindings (tenant_id, id);
create index guardrail_violations_session on guardrail_violations (session_id);
create index guardrail_violations_tenant_created on guardrail_violations (tenant_id, created_at);

alter table memory_facts
  add column tenant_id uuid not null default bindery_tenant()
    references tenants (id) on delete cascade,
  -- Whose fact, in scope user_binding: scope_id cannot be turned back into a user.
  add column user_id uuid references users (id) on delete cascade,
  add column quote text,
  add column state text not null default 'live'
    check (state in ('live', 'candidate', 'superseded')),
  add column last_accessed_at timestamptz,
  add foreign key (tenant_id, source_message_id) references messages (tenant_id, id);
create unique index memory_facts_live
  on memory_facts (tenant_id, scope, scope_id, key) where state = 'live';
create index memory_facts_source on memory_facts (source_message_id);
create index memory_facts_user on memory_facts (user_id);

alter table memory_embeddings
  add column tenant_id uuid not null default bindery_tenant()
    references tenants (id) on delete cascade,
  add column user_id uuid references users (id) on delete cascade,
  -- Vectors of different models cannot be compared.
  add column model text not null default '',
  add column importance real not null default 0,
  add column source_message_id uuid,
  add column last_accessed_at timestamptz,
  add foreign key (tenant_id, source_message_id) references messages (tenant_id, id);
create index memory_embeddings_tenant_scope on memory_embeddings (tenant_id, scope, scope_id);
create index memory_embeddings_source on memory_embeddings (source_message_id);
create index memory_embeddings_user on memory_embeddings (user_id);

-- allowed_handoffs is an array, which takes no foreign key. Checked at commit, so that teams that
-- hand over to each other can be written in any order.
create function check_allowed_handoffs() returns trigger language plpgsql as $$
begin
  if exists (
    select from unnest(new.allowed_handoffs) as wanted (id)
    where not exists (
      select from teams t where t.tenant_id = new.tenant_id and t.id = wanted.id)
  ) then
    raise exception 'allowed_handoffs names a team that this tenant does not have'
      using errcode = 'foreign_key_violation', constraint = 'teams_allowed_handoffs_exist',
        table = 'teams';
  end if;
  return null;
end $$;
create constraint trigger teams_allowed_handoffs_exist
  after insert or update of allowed_handoffs, tenant_id on teams
  deferrable initially deferred
  for each row when (new.allowed_handoffs <> '{}')
  execute function check_allowed_handoffs();

create function drop_from_allowed_handoffs() returns trigger language plpgsql as $$
begin
  update teams set allowed_handoffs = array_remove(allowed_handoffs, old.id)
  where tenant_id = old.tenant_id and old.id = any (allowed_handoffs);
  return null;
end $$;
create trigger teams_drop_from_allowed_handoffs after delete on teams
  for each row execute function drop_from_allowed_handoffs();
