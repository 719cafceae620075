-- What is asked of a member before it is one (deploy/federation/make.py).

-- name: is_federation
-- Whether it adds up others itself, asked by a role that may not look into that schema.
SELECT EXISTS (
    SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = 'federation' AND c.relname = 'member'
)

-- name: is_migrated
-- Whether it has a schema of ours.
SELECT to_regclass('public.schema_migrations') IS NOT NULL

-- name: applied
-- Which migrations it has.
SELECT name FROM public.schema_migrations

-- name: log
-- Which log it is of; no row: no processor has started yet.
SELECT topic_id FROM public.deployment

-- name: zone
-- Whose days it counts; no row: none are counted yet.
SELECT time_zone FROM public.reporting_zone
