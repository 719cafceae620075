-- name: lock
SELECT pg_advisory_lock(%s)

-- name: create_table
CREATE TABLE IF NOT EXISTS schema_migrations (
    name       text PRIMARY KEY,
    checksum   text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)

-- name: applied
SELECT name, checksum FROM schema_migrations ORDER BY name

-- name: record
INSERT INTO schema_migrations (name, checksum) VALUES (%s, %s)
