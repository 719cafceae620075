-- Saved views.

-- name: views
-- Those of a reader.
SELECT id, name, address, who_kind, who, created_at, changed_at FROM saved_views
WHERE who_kind = %(who_kind)s AND who = %(who)s
ORDER BY name, id

-- name: view
-- Anybody's, and whether its use is to be noted.
SELECT id, name, address, who_kind, who, created_at, changed_at,
       used_at < now() - interval '1 day' AS is_use_due
FROM saved_views WHERE id = %(id)s

-- name: add
-- Where there is room for it; it may be asked for twice. Those who write at the same moment do not
-- see each other: there may be as many more as connections.
WITH counted AS (
    SELECT count(*) AS kept,
           count(*) FILTER (WHERE who_kind = %(who_kind)s AND who = %(who)s) AS of_reader
    FROM saved_views
),
added AS (
    INSERT INTO saved_views (id, who_kind, who, name, address)
    SELECT %(id)s, %(who_kind)s, %(who)s, %(name)s, %(address)s FROM counted
    WHERE kept < %(most)s AND of_reader < %(most_of_reader)s
    ON CONFLICT (id) DO NOTHING
    RETURNING id, name, address, who_kind, who, created_at, changed_at
),
found AS (
    SELECT * FROM added
    UNION ALL
    SELECT id, name, address, who_kind, who, created_at, changed_at
    FROM saved_views WHERE id = %(id)s
)
SELECT counted.of_reader, found.* FROM counted LEFT JOIN found ON true
LIMIT 1

-- name: change
-- Of the reader who keeps it.
UPDATE saved_views
SET name = coalesce(%(name)s, name), address = coalesce(%(address)s, address),
    changed_at = now(), used_at = now()
WHERE id = %(id)s AND who_kind = %(who_kind)s AND who = %(who)s
RETURNING id, name, address, who_kind, who, created_at, changed_at

-- name: used
-- Somebody opened it: noted to the day.
UPDATE saved_views SET used_at = now() WHERE id = %(id)s

-- name: delete
-- Of the reader who keeps it; a row where there was one.
DELETE FROM saved_views WHERE id = %(id)s AND who_kind = %(who_kind)s AND who = %(who)s
RETURNING id
