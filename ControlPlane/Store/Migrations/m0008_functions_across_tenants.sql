-- The functions that must look across tenants. They return ids only.

-- The user behind a channel's identity or a phone, made when there is none; notes what the tenant
-- knows of the person. Works for the transaction's tenant.
create function resolve_user(
  p_channel text, p_external_id text, p_phone text, p_display_name text, p_locale text
) returns uuid
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
declare
  v_tenant uuid := public.bindery_tenant();
  v_user uuid;
begin
  if v_tenant is null then
    raise exception 'resolve_user needs bindery.tenant_id' using errcode = 'invalid_parameter_value';
  end if;

  select user_id into v_user from user_identities
  where tenant_id = v_tenant and channel = p_channel and external_id = p_external_id;

  if v_user is null then
    -- One at a time for each identity, so that two nodes cannot make two users of one person.
    perform pg_advisory_xact_lock(
      hashtextextended(concat_ws(E'\x1f', v_tenant, p_channel, p_external_id), 1));
    select user_id into v_user from user_identities
    where tenant_id = v_tenant and channel = p_channel and external_id = p_external_id;
  end if;

  if v_user is null then
    if p_phone <> '' then
      insert into users (phone) values (p_phone)
      on conflict (phone) do update set phone = excluded.phone
      returning id into v_user;
    else
      insert into users default values returning id into v_user;
    end if;
    insert into tenant_users (tenant_id, user_id, display_name, locale)
    values (v_tenant, v_user, nullif(p_display_name, ''), nullif(p_locale, ''))
    on conflict do nothing;
    insert into user_identities (tenant_id, channel, external_id, user_id)
    values (v_tenant, p_channel, p_external_id, v_user);
  end if;

  update tenant_users
  set display_name = coalesce(nullif(p_display_name, ''), display_name),
    locale = coalesce(nullif(p_locale, ''), locale)
  where tenant_id = v_tenant and user_id = v_user
    and (display_name, locale) is distinct from
      (coalesce(nullif(p_display_name, ''), display_name), coalesce(nullif(p_locale, ''), locale));
  return v_user;
end $$;

-- Removes a person that no tenant knows any more. True when the row went.
create function release_user(p_user uuid) returns boolean
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
begin
  delete from users u where u.id = p_user
    and not exists (select from tenant_users t where t.user_id = u.id);
  return found;
end $$;

-- Tenants with work that nobody does: due inputs, lost leases, unsent replies.
create function tenants_with_work(p_grace interval) returns setof uuid
language sql stable security definer set search_path = pg_catalog, public, pg_temp as $$
  select i.tenant_id from inputs i join tenants t on t.id = i.tenant_id
  where t.status = 'active' and i.state in ('accepted', 'held')
    and i.due_at < now() - p_grace and (i.offered_until is null or i.offered_until < now())
  union
  select l.tenant_id from conversation_leases l join tenants t on t.id = l.tenant_id
  where t.status = 'active' and l.turn_id is not null and l.expires_at < now()
    and (l.offered_until is null or l.offered_until < now())
  union
  select o.tenant_id from outbox o join tenants t on t.id = o.tenant_id
  where t.status = 'active' and (o.offered_until is null or o.offered_until < now())
    and (o.state = 'held' or o.state = 'pending' and o.updated_at < now() - p_grace)
$$;

-- Erases one person from the transaction's tenant; the shared row goes with its last tenant.
-- Runs as the caller: row-level security bounds it to the tenant.
create function erase_user(p_user uuid) returns boolean
language plpgsql set search_path = pg_catalog, public, pg_temp as $$
declare
  who record;
begin
  for who in
    select channel, external_id from user_identities
      where tenant_id = bindery_tenant() and user_id = p_user
    union
    select channel, external_id from sessions
      where tenant_id = bindery_tenant() and user_id = p_user and external_id <> ''
  loop
    delete from inputs where tenant_id = bindery_tenant()
      and channel = who.channel and external_id = who.external_id;
    delete from turn_journal where tenant_id = bindery_tenant()
      and channel = who.channel and external_id = who.external_id;
    delete from conversation_leases where tenant_id = bindery_tenant()
      and channel = who.channel and external_id = who.external_id;
  end loop;
  delete from memory_facts where tenant_id = bindery_tenant() and user_id = p_user;
  delete from memory_embeddings where tenant_id = bindery_tenant() and user_id = p_user;
  delete from sessions where tenant_id = bindery_tenant() and user_id = p_user;
  delete from tenant_users where tenant_id = bindery_tenant() and user_id = p_user;
  return release_user(p_user);
end $$;

-- Only these callers, and as their own role.
revoke execute on function resolve_user(text, text, text, text, text) from public;
revoke execute on function release_user(uuid) from public;
revoke execute on function tenants_with_work(interval) from public;
revoke execute on function erase_user(uuid) from public;
grant execute on function resolve_user(text, text, text, text, text) to bindery_app;
grant execute on function release_user(uuid) to bindery_app;
grant execute on function tenants_with_work(interval) to bindery_app;
grant execute on function erase_user(uuid) to bindery_app;

-- A function can be given only to a role that the giver can become, and that may create here.
do $$
begin
  if not pg_has_role(current_user, 'bindery_definer', 'member') then
    execute format('grant bindery_definer to %I', current_user);
  end if;
end $$;
grant create on schema public to bindery_definer;
alter function resolve_user(text, text, text, text, text) owner to bindery_definer;
alter function release_user(uuid) owner to bindery_definer;
alter function tenants_with_work(interval) owner to bindery_definer;
revoke create on schema public from bindery_definer;
