-- The dashboard's sessions (api/access/browser_session_table.py).

-- name: find
-- A process whose sessions are shorter ends those of others sooner.
SELECT token, used_at <= now() - %(seconds)s * interval '0.1 second' AS is_due
FROM browser_sessions
WHERE digest = %(digest)s AND expires_at > now()
  AND used_at > now() - %(seconds)s * interval '1 second'

-- name: begin
-- Asked twice, it is one session.
INSERT INTO browser_sessions (digest, owner, token, expires_at)
VALUES (%(digest)s, %(owner)s, %(token)s, now() + %(life)s * interval '1 second')
ON CONFLICT (digest) DO UPDATE SET used_at = now()

-- name: used
-- A session was used: it lasts that much longer from now on.
UPDATE browser_sessions
SET used_at = now(), expires_at = now() + %(life)s * interval '1 second'
WHERE digest = %(digest)s

-- name: end
-- Nobody has the session any more.
DELETE FROM browser_sessions WHERE digest = %(digest)s

-- name: forget
-- What is over.
DELETE FROM browser_sessions WHERE digest IN (
    SELECT digest FROM browser_sessions WHERE expires_at <= now() LIMIT %(forgotten)s)

-- name: bound
-- The owner's beyond so many, those that were not used for longest.
DELETE FROM browser_sessions WHERE digest IN (
    SELECT digest FROM browser_sessions WHERE owner = %(owner)s
    ORDER BY used_at DESC, digest OFFSET %(most)s)
