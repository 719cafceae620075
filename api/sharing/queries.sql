-- Share links. One that has expired is as one that never was; maintenance removes it.

-- name: create
-- Where there is room for it: gives when it ends.
WITH made AS (
    INSERT INTO share_links (id, token_hash, name, created_by, expires_at)
    SELECT %(id)s, %(token_hash)s, %(name)s, %(created_by)s, now() + %(hours)s * interval '1 hour'
    WHERE (SELECT count(*) FROM share_links WHERE expires_at > now()) < %(most)s
    RETURNING id
)
INSERT INTO managed_audit (who_kind, who, kind, managed, action, details)
SELECT %(who_kind)s, %(who)s, 'share_link', id, 'made', %(details)s::jsonb FROM made

-- name: list
-- Those that count, oldest first.
SELECT id, name, created_by, created_at, expires_at FROM share_links
WHERE expires_at > now() ORDER BY created_at, id

-- name: exists
-- Whether there is one of this id.
SELECT EXISTS (SELECT FROM share_links WHERE id = %(id)s)

-- name: delete
-- From now on nobody sees anything by it.
WITH ended AS (DELETE FROM share_links WHERE id = %(id)s AND expires_at > now() RETURNING id)
INSERT INTO managed_audit (who_kind, who, kind, managed, action)
SELECT %(who_kind)s, %(who)s, 'share_link', id, 'ended' FROM ended

-- name: ends
-- When one ends that was just made.
SELECT expires_at FROM share_links WHERE id = %(id)s

-- name: open
-- All that count, for whoever comes by one.
SELECT token_hash, name, expires_at FROM share_links WHERE expires_at > now() LIMIT %(most)s

-- name: one_moment
-- All that follows in the transaction is of one moment.
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ
