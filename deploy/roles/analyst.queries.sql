-- What `rollcall psql` does before it opens psql.

-- name: one_at_a_time
-- Two that alter one role at once get an error.
SELECT pg_advisory_xact_lock(%s)

-- name: role_exists
-- Whether the role is there.
SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = %s)

-- name: create_role
-- A role that can log in and own nothing.
CREATE ROLE {role} LOGIN

-- name: set_password
-- Whatever the file of passwords says now.
ALTER ROLE {role} PASSWORD {password}

-- name: read_only
-- By default its transactions write nothing; the grants are what forbids it.
ALTER ROLE {role} SET default_transaction_read_only = on
