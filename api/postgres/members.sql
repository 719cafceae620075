-- What the API asks of a federation for its members (deploy/federation/queries.sql makes what is asked here).

-- name: whether
-- Whether the database is one.
SELECT to_regclass('members_away') IS NOT NULL

-- name: places
-- Every member.
SELECT place, name FROM member_states ORDER BY place

-- name: look
-- At one of them: whether it answers, which is remembered.
SELECT federation.look(%s)
