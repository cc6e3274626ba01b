-- The nodes of all replicas of the control plane, so that each of them knows them all: which there are,
-- what they have in force, what they refused, and until when they may serve on a lease.
--
-- Written in batches, aside of commits: a replica tells what has changed with its nodes, others read
-- what was told since they last looked.

-- One row a replica that runs, or has run lately.
create table fleet_replicas (
  replica_id uuid primary key,
  -- Where it listens, for people.
  address text not null,
  -- How long the leases are that it gives, in ms, clock tolerance included.
  lease_ms bigint not null check (lease_ms > 0),
  -- Its reports are counted: a row of a node carries the number of the report that wrote it.
  report bigint not null default 0,
  started_at timestamptz not null default now(),
  -- It gives no lease that ends later than lease_ms after this.
  seen_at timestamptz not null default now()
);

create table fleet_nodes (
  node_id text primary key check (length(node_id) between 1 and 64),
  -- Who told of it last, and in which report.
  replica_id uuid not null,
  report bigint not null,
  -- Its stream was open. Means nothing once the replica is gone.
  connected boolean not null,
  region text not null,
  version text not null,
  edges text[] not null,
  lazy boolean not null,
  -- The tenants that it sees; null for all.
  tenants uuid[],
  -- The newest revision that it has in force, of the store of this incarnation.
  revision bigint not null,
  incarnation uuid,
  acknowledged_at timestamptz,
  -- When its lease surely ends if it gets no other; null while it is being renewed, or never had one.
  lease_end timestamptz,
  seen_at timestamptz not null,
  spool_depth bigint not null,
  active_turns int not null,
  -- Switches that it has in force ahead of its revision, and what it refused.
  switches jsonb not null,
  rejections jsonb not null
);
create index fleet_nodes_report on fleet_nodes (replica_id, report);

-- One row. It rises when a node is taken out by hand: everybody reads all nodes anew.
create table fleet_line (
  one boolean primary key default true check (one),
  generation bigint not null default 0
);
insert into fleet_line default values;

grant select, insert, update, delete on fleet_replicas, fleet_nodes to bindery_app;
grant select, update (generation) on fleet_line to bindery_app;
