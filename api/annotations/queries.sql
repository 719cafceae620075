-- Notes on the time axis.

-- name: annotations
-- The newest first.
SELECT id, at, kind, text, who_kind, who, created_at FROM annotations
WHERE (%(from)s::timestamptz IS NULL OR at >= %(from)s::timestamptz)
  AND (%(to)s::timestamptz IS NULL OR at < %(to)s::timestamptz)
ORDER BY at DESC, id DESC
LIMIT %(most)s

-- name: add
-- Where there is room for it; it may be asked for twice. Those who write at the same moment do not
-- see each other: there may be as many more as connections.
WITH wanted AS (
    SELECT coalesce(%(at)s::timestamptz, now()) AS at
),
counted AS (
    SELECT count(a.id) AS kept,
           count(a.id) FILTER (
               WHERE (a.at AT TIME ZONE 'UTC')::date = (wanted.at AT TIME ZONE 'UTC')::date
           ) AS of_day,
           wanted.at > now() + %(ahead_seconds)s * interval '1 second' AS is_too_late,
           (SELECT kept_from FROM retention_progress WHERE table_name = 'annotations') AS kept_from,
           wanted.at
    FROM wanted LEFT JOIN annotations a ON true
    GROUP BY wanted.at
),
room AS (
    SELECT count_of.*, coalesce(at < kept_from, false) AS is_too_early FROM counted AS count_of
),
added AS (
    INSERT INTO annotations (id, at, kind, text, who_kind, who)
    SELECT %(id)s, at, %(kind)s, %(text)s, %(who_kind)s, %(who)s FROM room
    WHERE kept < %(most)s AND of_day < %(most_of_day)s AND NOT is_too_late AND NOT is_too_early
    ON CONFLICT (id) DO NOTHING
    RETURNING id, at, kind, text, who_kind, who, created_at
),
found AS (
    SELECT * FROM added
    UNION ALL
    SELECT id, at, kind, text, who_kind, who, created_at FROM annotations WHERE id = %(id)s
)
SELECT room.kept, room.of_day, room.is_too_late, room.kept_from, room.is_too_early,
       found.id, found.at, found.kind, found.text, found.who_kind, found.who, found.created_at
FROM room LEFT JOIN found ON true
LIMIT 1

-- name: delete
-- Anybody's; a row where there was one.
DELETE FROM annotations WHERE id = %(id)s RETURNING id
