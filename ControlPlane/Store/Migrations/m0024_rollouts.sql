-- Rollouts: new versions of tiers that a part of the people gets first, step by step. While one lasts,
-- the bindings that it covers keep their compiled form, and their candidates stand beside it.

create table rollouts (
  id uuid primary key,
  tenant_id uuid not null default bindery_tenant() references tenants (id) on delete cascade,
  name text not null check (name ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
  state text not null default 'running'
    check (state in ('running', 'paused', 'promoted', 'rolled_back', 'aborted')),
  -- Steps, gates and node timeout.
  strategy jsonb not null,
  -- From 0.
  step int not null default 0 check (step >= 0),
  -- Rises with each change of state or step: who decided by an older number lost the race.
  transitions bigint not null default 0,
  -- Shifted by the length of each pause.
  step_started_at timestamptz not null default now(),
  -- Since when it is paused.
  paused_at timestamptz,
  -- Of the commit that brought the step, or the end; its revision stands in commits.
  step_commit_id uuid not null,
  author text not null default '',
  reason text not null default '',
  created_at timestamptz not null default now(),
  ended_at timestamptz,
  end_code text not null default '',
  end_message text not null default '',
  -- What it waits for and the figures of the last look at its gates.
  waiting text not null default '',
  gate_report jsonb,
  unique (tenant_id, name),
  unique (tenant_id, id),
  check ((state in ('running', 'paused')) = (ended_at is null)),
  check ((state = 'paused') = (paused_at is not null))
);
create index rollouts_active on rollouts (tenant_id) where ended_at is null;

-- The tiers that a rollout carries, and what they said before.
create table rollout_objects (
  tenant_id uuid not null default bindery_tenant() references tenants (id) on delete cascade,
  rollout_id uuid not null,
  kind text not null check (kind in ('Human', 'Team', 'Agent')),
  object_id uuid not null,
  slug text not null,
  baseline_version int not null,
  candidate_version int not null,
  baseline_spec jsonb not null,
  active boolean not null default true,
  primary key (tenant_id, rollout_id, object_id),
  foreign key (tenant_id, rollout_id) references rollouts (tenant_id, id) on delete cascade
);
create unique index rollout_objects_once on rollout_objects (tenant_id, object_id) where active;

-- The candidates of bindings: one of each binding at a time.
create table rollout_candidates (
  tenant_id uuid not null default bindery_tenant() references tenants (id) on delete cascade,
  rollout_id uuid not null,
  binding_id uuid not null,
  baseline_digest text not null check (baseline_digest ~ '^[0-9a-f]{64}$'),
  digest text not null check (digest ~ '^[0-9a-f]{64}$'),
  -- Empty once the rollout has ended.
  content text not null,
  section_digests text[] not null,
  generation int not null default 0,
  active boolean not null default true,
  primary key (tenant_id, rollout_id, binding_id),
  foreign key (tenant_id, rollout_id) references rollouts (tenant_id, id) on delete cascade,
  foreign key (tenant_id, binding_id) references agent_bindings (tenant_id, id) on delete cascade
);
create unique index rollout_candidates_once on rollout_candidates (tenant_id, binding_id)
  where active;

-- Nodes that a step gave the candidate to.
create table rollout_nodes (
  tenant_id uuid not null default bindery_tenant() references tenants (id) on delete cascade,
  rollout_id uuid not null,
  node_id text not null,
  region text not null default '',
  -- Served by the node when it was last heard of.
  revision bigint not null default 0,
  seen_at timestamptz not null default now(),
  -- Since when it has been given the current step without serving it; null: it serves it.
  unconfirmed_since timestamptz,
  -- Set once, when it refused a candidate.
  rejected_code text not null default '',
  rejected_message text not null default '',
  primary key (tenant_id, rollout_id, node_id),
  foreign key (tenant_id, rollout_id) references rollouts (tenant_id, id) on delete cascade
);

do $$
declare
  t text;
begin
  foreach t in array array['rollouts', 'rollout_objects', 'rollout_candidates', 'rollout_nodes'] loop
    execute format('alter table %I enable row level security', t);
    execute format('alter table %I force row level security', t);
    execute format(
      'create policy one_tenant on %I to bindery_app
         using (tenant_id = (select bindery_tenant()))
         with check (tenant_id = (select bindery_tenant()))', t);
    execute format(
      'create policy all_configuration on %I for select to bindery_distribution using (true)', t);
    execute format('grant select, insert, update on %I to bindery_app', t);
    execute format('grant select on %I to bindery_distribution', t);
  end loop;
end $$;
create policy retention on rollout_candidates for select to bindery_definer using (true);
grant select on rollout_candidates to bindery_definer;

alter table changelog drop constraint changelog_kind_check, add constraint changelog_kind_check
  check (kind in ('tenant', 'channel_account', 'section', 'binding', 'route', 'candidate'));

-- Nobody but a rollout gives the people of its bindings another form, whoever compiled it.
create function refuse_under_rollout() returns trigger language plpgsql as $$
declare
  v_rollout text;
  v_binding text;
begin
  if current_setting('bindery.rollout', true) = 'ends'
    or not exists (select from rollout_objects where tenant_id = bindery_tenant() and active)
  then return null; end if;
  select t.slug || '/' || r.name, t.slug || '/' || b.slug into v_rollout, v_binding
  from changed_rows n
  join tenants t on t.id = n.tenant_id
  join agent_bindings b on b.tenant_id = n.tenant_id and b.id = n.binding_id
  join rollouts r on r.tenant_id = n.tenant_id and r.ended_at is null and (
    exists (
      select from rollout_candidates c
      where c.tenant_id = r.tenant_id and c.rollout_id = r.id and c.binding_id = b.id)
    or exists (
      select from rollout_objects o
      where o.tenant_id = r.tenant_id and o.rollout_id = r.id
        and o.object_id in (b.human_id, b.team_id, b.agent_id)))
  limit 1;
  if found then
    raise exception 'a rollout is under way' using errcode = 'BN024',
      constraint = v_rollout || ' ' || v_binding;
  end if;
  return null;
end $$;
create trigger rollout_insert after insert on compiled_bindings
  referencing new table as changed_rows for each statement
  execute function refuse_under_rollout();
-- Whether a binding is active is no part of its form, and changes while a rollout lasts.
create function refuse_form_under_rollout() returns trigger language plpgsql as $$
declare
  v_rollout text;
  v_binding text;
begin
  if current_setting('bindery.rollout', true) = 'ends'
    or not exists (select from rollout_objects where tenant_id = bindery_tenant() and active)
  then return null; end if;
  select t.slug || '/' || r.name, t.slug || '/' || b.slug into v_rollout, v_binding
  from changed_rows n
  join old_rows o on o.tenant_id = n.tenant_id and o.binding_id = n.binding_id
    and o.digest <> n.digest
  join tenants t on t.id = n.tenant_id
  join agent_bindings b on b.tenant_id = n.tenant_id and b.id = n.binding_id
  join rollouts r on r.tenant_id = n.tenant_id and r.ended_at is null and (
    exists (
      select from rollout_candidates c
      where c.tenant_id = r.tenant_id and c.rollout_id = r.id and c.binding_id = b.id)
    or exists (
      select from rollout_objects x
      where x.tenant_id = r.tenant_id and x.rollout_id = r.id
        and x.object_id in (b.human_id, b.team_id, b.agent_id)))
  limit 1;
  if found then
    raise exception 'a rollout is under way' using errcode = 'BN024',
      constraint = v_rollout || ' ' || v_binding;
  end if;
  return null;
end $$;
create trigger rollout_update after update on compiled_bindings
  referencing old table as old_rows new table as changed_rows for each statement
  execute function refuse_form_under_rollout();
create trigger rollout_delete after delete on compiled_bindings
  referencing old table as changed_rows for each statement
  execute function refuse_under_rollout();

create function audit_rollouts() returns trigger language plpgsql as $$
begin
  if tg_op = 'INSERT' then
    insert into audit_log (tenant_id, action, object_kind, object, detail)
    select n.tenant_id, 'create', 'Rollout', n.name,
      'step 1 of ' || jsonb_array_length(n.strategy->'steps')
    from new_rows n;
  else
    insert into audit_log (tenant_id, action, object_kind, object, detail)
    select n.tenant_id,
      case
        when n.state = o.state then 'advance'
        when n.state = 'paused' then 'pause'
        when n.state = 'running' then 'resume'
        when n.state = 'promoted' then 'promote'
        when n.state = 'aborted' then 'abort'
        else 'rollback'
      end,
      'Rollout', n.name,
      case
        when n.state = o.state then
          'step ' || n.step + 1 || ' of ' || jsonb_array_length(n.strategy->'steps')
        when n.ended_at is null then 'in step ' || n.step + 1
        else concat_ws(': ', n.end_code, nullif(n.end_message, ''))
      end
    from old_rows o join new_rows n using (id) where n.transitions <> o.transitions;
  end if;
  return null;
end $$;
create trigger audit_insert after insert on rollouts referencing new table as new_rows
  for each statement execute function audit_rollouts();
create trigger audit_update after update on rollouts referencing old table as old_rows
  new table as new_rows for each statement execute function audit_rollouts();
