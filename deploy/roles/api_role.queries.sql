-- The API's role, as `rollcall migrate` makes it where ROLLCALL_API_DATABASE_URL names one.

-- name: role_exists
-- Whether the role is there.
SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = %s)

-- name: create_role
-- The password comes as its SCRAM verifier.
CREATE ROLE {role} LOGIN PASSWORD {verifier}
