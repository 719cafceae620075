-- How a federation is made (deploy/federation/make.py). Names that stand in braces are put in as identifiers or literals.

-- name: has_wrapper
-- Whether the extension is there, and whether it could be.
SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'postgres_fdw'),
       EXISTS (SELECT FROM pg_available_extensions WHERE name = 'postgres_fdw')

-- name: make_wrapper
-- The engine: PostgreSQL's own.
CREATE EXTENSION postgres_fdw

-- name: may_use_wrapper
-- Whether this role may make servers of it.
SELECT has_foreign_data_wrapper_privilege('postgres_fdw', 'USAGE')

-- name: is_federation
-- Whether the database is one.
SELECT to_regclass('federation.member') IS NOT NULL

-- name: holds_users
-- Whether the database is a deployment's.
SELECT to_regclass('public.deployment') IS NOT NULL

-- name: known_members
-- Those that it has now.
SELECT name FROM federation.member

-- name: former
-- What an earlier run has made: schemas, and servers with all that is of them.
SELECT format('DROP SCHEMA %I CASCADE', nspname) FROM pg_namespace WHERE nspname ~ '^federation(_[0-9]+)?$'
UNION ALL
SELECT format('DROP SERVER %I CASCADE', srvname) FROM pg_foreign_server WHERE srvname ~ '^rollcall_member_[0-9]+$'

-- name: frame
-- The members, whether each answers, and what looks at them.
CREATE SCHEMA federation;
COMMENT ON SCHEMA federation IS 'Made by rollcall federate, which makes it anew each time.';
CREATE TABLE federation.member (
    id      integer PRIMARY KEY,
    name    text NOT NULL UNIQUE,
    here    boolean NOT NULL DEFAULT true,
    problem text,                                    -- why it is away
    since   timestamptz NOT NULL DEFAULT now()       -- it is here, or away
) WITH (fillfactor = 50);

-- IMMUTABLE, as the plan is made with it: so a foreign table of a member that is away is in no plan (postgres_fdw
-- connects for each that is). Whoever changes it changes the server too, which ends every plan that is kept.
CREATE FUNCTION federation.is_here(wanted integer) RETURNS boolean
    LANGUAGE sql IMMUTABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$ SELECT here FROM federation.member WHERE id = wanted $$;

-- Look whether a member answers, and remember it; in one place at a time. What it gives is whether it does.
CREATE FUNCTION federation.look(wanted integer) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    lacking text;
    found text;
    why text;
BEGIN
    IF NOT pg_try_advisory_xact_lock(x'66656465'::integer, wanted) THEN
        RETURN (SELECT here FROM federation.member WHERE id = wanted);
    END IF;
    BEGIN
        EXECUTE format(
            'SELECT min(name) FROM (SELECT name FROM public.schema_migrations'
            ' EXCEPT SELECT name FROM federation_%s.schema_migrations) AS lacking', wanted
        ) INTO lacking;
        EXECUTE format(
            'SELECT count(*) FROM federation_%s.deployment, federation_%s.stream_offsets', wanted, wanted
        );
        IF lacking IS NOT NULL THEN
            found := format('it lacks migration %s: run rollcall migrate there', lacking);
        END IF;
    EXCEPTION WHEN query_canceled OR OTHERS THEN
        GET STACKED DIAGNOSTICS found = MESSAGE_TEXT, why = PG_EXCEPTION_DETAIL;
        found := split_part(concat_ws(': ', found, nullif(why, '')), E'\n', 1);
    END;
    IF (SELECT here FROM federation.member WHERE id = wanted) <> (found IS NULL) THEN
        UPDATE federation.member SET here = found IS NULL, since = clock_timestamp() WHERE id = wanted;
        EXECUTE format('ALTER SERVER rollcall_member_%s VERSION %L', wanted, now());
    END IF;
    UPDATE federation.member SET problem = found WHERE id = wanted AND problem IS DISTINCT FROM found;
    RETURN found IS NULL;
END
$$;

-- What is not federated says so, whoever reads or writes it (api/postgres/sqlstates.py).
CREATE FUNCTION federation.refuse(what text) RETURNS void
    LANGUAGE plpgsql STABLE AS $$
BEGIN
    RAISE EXCEPTION 'a federation has no %: ask the member', what USING ERRCODE = 'RC003';
END
$$;
CREATE FUNCTION federation.refuse_write() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    PERFORM federation.refuse(TG_TABLE_NAME);
END
$$

-- name: columns
-- Of a table as it is here, those that are wanted, as a foreign table has them.
SELECT string_agg(format('%%I %%s%%s', a.attname, format_type(a.atttypid, a.atttypmod),
                         CASE WHEN a.attcollation <> t.typcollation THEN ' COLLATE "C"' ELSE '' END), ', '
                  ORDER BY a.attnum)
FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
WHERE a.attrelid = format('public.%%I', %(name)s::text)::regclass AND a.attnum > 0 AND NOT a.attisdropped
  AND (%(columns)s::text[] IS NULL OR a.attname = ANY(%(columns)s::text[]))

-- name: refused
-- Tables and views that are neither federated nor the federation's own, with their columns.
SELECT c.relname, string_agg(format('%%I %%s', a.attname, format_type(a.atttypid, a.atttypmod)), ', ' ORDER BY a.attnum)
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v') AND NOT c.relispartition
  AND c.relname <> ALL(%(told)s::text[])
  -- Nobody asks extensions for users.
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
GROUP BY c.relname ORDER BY c.relname

-- name: refuse
-- One of these.
CREATE FUNCTION federation.{function}() RETURNS TABLE ({shape}) LANGUAGE plpgsql STABLE COST 1000000
    AS $$ BEGIN PERFORM federation.refuse({text}); END $$;
CREATE VIEW federation.{table} AS SELECT * FROM federation.{function}();
CREATE TRIGGER refuse INSTEAD OF INSERT OR UPDATE OR DELETE ON federation.{table}
    FOR EACH ROW EXECUTE FUNCTION federation.refuse_write()

-- name: add_member
-- Its name.
INSERT INTO federation.member (id, name) VALUES (%(id)s, %(name)s)

-- name: journeys
-- What asks for people asks what refuses it.
ALTER FUNCTION analytics.funnel SET search_path = federation, public;
ALTER FUNCTION analytics.retention SET search_path = federation, public

-- name: of_database
-- Whoever connects finds the federation first; a document is of one moment; no plan outlives a member.
ALTER DATABASE {database} SET search_path = federation, public;
ALTER DATABASE {database} SET default_transaction_isolation = 'repeatable read';
ALTER DATABASE {database} SET plan_cache_mode = 'force_custom_plan'

-- name: grant_reader
-- A role that reads the federation, and may look whether a member answers. Foreign tables and the members' passwords
-- are the owner's alone.
GRANT USAGE ON SCHEMA federation TO {role};
GRANT SELECT ON {views} TO {role};
GRANT INSERT, UPDATE, DELETE ON {closed} TO {role};
GRANT EXECUTE ON FUNCTION federation.look(integer) TO {role}

-- name: keep_from_others
-- Everybody may run a function that is new.
REVOKE EXECUTE ON FUNCTION federation.look(integer) FROM PUBLIC

-- name: places
-- Every member.
SELECT id FROM federation.member ORDER BY id

-- name: look
-- At one of them.
SELECT federation.look(%s)

-- name: told
-- What is known of them.
SELECT name, here, problem, since, migration, as_of FROM federation.member_states ORDER BY name
