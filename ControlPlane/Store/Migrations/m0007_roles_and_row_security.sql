-- Three roles that nobody logs in as, and row-level security on every table.
--   bindery_app           one tenant at a time, the one in bindery.tenant_id; none set: sees nothing
--   bindery_distribution  reads the configuration of all tenants, no conversation
--   bindery_definer       owns the few functions that must look across tenants
-- Roles belong to the whole server: another database's migration may have made them already.
do $$
declare
  wanted text;
begin
  foreach wanted in array array['bindery_app', 'bindery_distribution', 'bindery_definer'] loop
    begin
      if not exists (select from pg_roles where rolname = wanted) then
        execute format('create role %I nologin noinherit', wanted);
      end if;
    exception when duplicate_object or unique_violation then
      null;
    end;
  end loop;
end $$;

do $$
declare
  t text;
begin
  -- Tables whose every row belongs to one tenant.
  foreach t in array array[
    'humans', 'teams', 'team_members', 'agents', 'agent_bindings', 'tier_config_versions',
    'binding_routes', 'channel_accounts', 'compiled_bindings',
    'tenant_users', 'user_identities', 'sessions', 'messages', 'tool_calls', 'llm_calls',
    'guardrail_violations', 'memory_facts', 'memory_embeddings',
    'inputs', 'conversation_leases', 'turn_journal', 'turns', 'outbox'
  ] loop
    execute format('alter table %I enable row level security', t);
    execute format('alter table %I force row level security', t);
    execute format(
      'create policy one_tenant on %I to bindery_app
         using (tenant_id = (select bindery_tenant()))
         with check (tenant_id = (select bindery_tenant()))', t);
    execute format('grant select, insert, update, delete on %I to bindery_app', t);
  end loop;

  -- Configuration, which distribution reads whole.
  foreach t in array array[
    'tenants', 'humans', 'teams', 'team_members', 'agents', 'agent_bindings',
    'tier_config_versions', 'binding_routes', 'channel_accounts', 'compiled_sections',
    'compiled_bindings', 'changelog'
  ] loop
    execute format(
      'create policy all_configuration on %I for select to bindery_distribution using (true)', t);
    execute format('grant select on %I to bindery_distribution', t);
  end loop;
end $$;

alter table tenants enable row level security;
alter table tenants force row level security;
create policy one_tenant on tenants to bindery_app
  using (id = (select bindery_tenant())) with check (id = (select bindery_tenant()));
grant select, insert, update, delete on tenants to bindery_app;

-- No tenant: platform. Every tenant's transaction may read and add those.
alter table compiled_sections enable row level security;
alter table compiled_sections force row level security;
create policy one_tenant_or_platform on compiled_sections to bindery_app
  using (tenant_id is null or tenant_id = (select bindery_tenant()))
  with check (tenant_id is null or tenant_id = (select bindery_tenant()));
grant select, insert on compiled_sections to bindery_app;

alter table changelog enable row level security;
alter table changelog force row level security;
create policy one_tenant_or_platform on changelog to bindery_app
  using (tenant_id is null or tenant_id = (select bindery_tenant()))
  with check (tenant_id is null or tenant_id = (select bindery_tenant()));
grant select, insert on changelog to bindery_app;

-- A record without a tenant may be set aside, but not be read back by any tenant.
alter table ledger_set_aside enable row level security;
alter table ledger_set_aside force row level security;
create policy one_tenant on ledger_set_aside to bindery_app
  using (tenant_id = (select bindery_tenant()));
create policy set_aside on ledger_set_aside for insert to bindery_app
  with check (tenant_id is null or tenant_id = (select bindery_tenant()));
grant select, insert, delete on ledger_set_aside to bindery_app;

-- People are shared by tenants; only the functions below touch this table.
alter table users enable row level security;
alter table users force row level security;
create policy shared_people on users to bindery_definer using (true) with check (true);
grant select, insert, update, delete on users to bindery_definer;

create policy people_of_the_tenant on tenant_users to bindery_definer
  using (true) with check (tenant_id = (select bindery_tenant()));
create policy people_of_the_tenant on user_identities to bindery_definer
  using (tenant_id = (select bindery_tenant()))
  with check (tenant_id = (select bindery_tenant()));
grant select, insert, update on tenant_users to bindery_definer;
grant select, insert on user_identities to bindery_definer;

create policy who_has_work on tenants for select to bindery_definer using (true);
create policy who_has_work on inputs for select to bindery_definer using (true);
create policy who_has_work on conversation_leases for select to bindery_definer using (true);
create policy who_has_work on outbox for select to bindery_definer using (true);
grant select on tenants, inputs, conversation_leases, outbox to bindery_definer;

-- Tables that hold nothing of any tenant.
grant select, update (revision) on revision_line to bindery_app;
grant select on revision_line to bindery_distribution;
grant select, insert on commits to bindery_app;
grant select on commits to bindery_distribution;
grant select, insert, update on ledger_cursors to bindery_app;
grant select on schema_migrations to bindery_app;
