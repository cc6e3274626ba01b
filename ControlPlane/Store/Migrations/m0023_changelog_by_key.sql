-- What a key was before a revision: a daemon that starts looks it up for all that changed lately.
create index changelog_key on changelog (tenant_id, kind, key);
drop index changelog_tenant;
