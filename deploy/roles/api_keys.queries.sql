-- What `rollcall key` does in PostgreSQL; api/presence/queries.sql reads keys on each call.

-- name: create
-- A key, unless its name is taken or there are as many as there may be.
INSERT INTO api_keys (name, digest, scopes, expires_at)
SELECT %(name)s, %(digest)s, %(scopes)s::text[], now() + %(expires_days)s * interval '1 day'
WHERE (SELECT count(*) FROM api_keys WHERE revoked_at IS NULL) < %(max_keys)s

-- name: list
-- Every key, without what was hashed.
SELECT id, name, scopes, created_at, expires_at, last_used_at, revoked_at
FROM api_keys ORDER BY id

-- name: revoke
-- The key of this name counts no more.
UPDATE api_keys SET revoked_at = now() WHERE name = %(name)s AND revoked_at IS NULL
