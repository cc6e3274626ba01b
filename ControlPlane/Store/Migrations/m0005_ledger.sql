-- How far each node's spool has been stored, and what could not be.

create table ledger_cursors (
  node_id text not null,
  spool_incarnation uuid not null,
  -- Everything up to here is stored or set aside.
  committed_sequence bigint not null,
  updated_at timestamptz not null default now(),
  primary key (node_id, spool_incarnation)
);

create table ledger_set_aside (
  node_id text not null,
  spool_incarnation uuid not null,
  sequence bigint not null,
  -- Null when the record does not tell, or names no tenant that exists.
  tenant_id uuid references tenants (id) on delete cascade,
  code text not null,
  message text not null,
  record bytea not null,
  created_at timestamptz not null default now(),
  primary key (node_id, spool_incarnation, sequence)
);
create index ledger_set_aside_tenant on ledger_set_aside (tenant_id);
