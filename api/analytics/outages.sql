-- name: outages
-- Silences that were ours in the range, the latest first: of overlapping ones of a kind the whole. One
-- that lasts has no end.
SELECT kind, lower(gap) AS started_at, upper(gap) AS ended_at
FROM (SELECT kind, unnest(range_agg(tstzrange(started_at, ended_at))) AS gap
      FROM outages
      WHERE started_at < %(to)s AND (ended_at IS NULL OR ended_at > %(from)s)
      GROUP BY kind) AS gaps
ORDER BY started_at DESC, kind LIMIT %(limit)s
