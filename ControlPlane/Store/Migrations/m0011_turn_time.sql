-- When a turn took place, by its node's clock, beside when it was stored: usage counts turns in the
-- span that its calls and messages fall in, also when a node was cut off for a day.

alter table turns add column created_at timestamptz;
update turns t set created_at = coalesce(
  (select max(m.created_at) from messages m where m.turn_id = t.turn_id), t.stored_at);
alter table turns alter column created_at set not null, alter column created_at set default now();
create index turns_tenant_created on turns (tenant_id, created_at);
