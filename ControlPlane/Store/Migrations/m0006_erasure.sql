-- Deleting what has a history. The target schema's references have no actions; these triggers clear
-- the way in the right order, so that deleting a message, session, user or tenant works, and
-- deleting a tier or binding that is in use stays refused.

create function clear_message() returns trigger language plpgsql as $$
begin
  -- What was derived from a message goes with it.
  delete from memory_facts where source_message_id = old.id;
  delete from memory_embeddings where source_message_id = old.id;
  update tool_calls set message_id = null where message_id = old.id;
  return old;
end $$;
create trigger messages_clear before delete on messages
  for each row execute function clear_message();

create function clear_session() returns trigger language plpgsql as $$
begin
  delete from guardrail_violations where session_id = old.id;
  return old;
end $$;
create trigger sessions_clear before delete on sessions
  for each row execute function clear_session();

create function clear_tenant() returns trigger language plpgsql as $$
begin
  delete from guardrail_violations where tenant_id = old.id;
  delete from llm_calls where tenant_id = old.id;
  delete from tool_calls where tenant_id = old.id;
  delete from memory_facts where tenant_id = old.id;
  delete from memory_embeddings where tenant_id = old.id;
  delete from sessions where tenant_id = old.id;
  delete from agent_bindings where tenant_id = old.id;
  return old;
end $$;
create trigger tenants_clear before delete on tenants
  for each row execute function clear_tenant();
