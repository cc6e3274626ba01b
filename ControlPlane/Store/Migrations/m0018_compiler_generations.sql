-- With what the stored bindings are compiled, and which of them can't be any more.

-- A row each time that another compiler, or other tables of models and prices, took over. The newest
-- is in force: nothing that another one compiled is stored after it.
create table compiler_generations (
  generation int primary key,
  compiler_version int not null,
  -- SHA-256 of what goes into every binding: the platform's section and the versions of the tables.
  fingerprint text not null check (fingerprint ~ '^[0-9a-f]{64}$'),
  alias_table text not null,
  price_table text not null,
  started_at timestamptz not null default now(),
  -- Every binding has been compiled with it, or is among the failures.
  finished_at timestamptz,
  -- When a replica last said that it runs with it.
  held_at timestamptz not null default now()
);
grant select, insert, update (finished_at, held_at) on compiler_generations to bindery_app;
grant select on compiler_generations to bindery_distribution;

-- 0: older than the record of generations.
alter table compiled_bindings add column generation int not null default 0;
create index compiled_bindings_generation on compiled_bindings (tenant_id, generation);

-- Bindings that keep an older compiled form, because they do not compile any more.
create table compile_failures (
  tenant_id uuid not null default bindery_tenant() references tenants (id) on delete cascade,
  binding_id uuid not null,
  generation int not null,
  -- What the compiler says, as it says it to authors.
  diagnostics jsonb not null,
  found_at timestamptz not null default now(),
  primary key (tenant_id, binding_id),
  foreign key (tenant_id, binding_id) references compiled_bindings (tenant_id, binding_id)
    on delete cascade
);
alter table compile_failures enable row level security;
alter table compile_failures force row level security;
create policy one_tenant on compile_failures to bindery_app
  using (tenant_id = (select bindery_tenant()))
  with check (tenant_id = (select bindery_tenant()));
create policy all_configuration on compile_failures for select to bindery_distribution using (true);
grant select, insert, update, delete on compile_failures to bindery_app;
grant select on compile_failures to bindery_distribution;
