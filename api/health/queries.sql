-- What PostgreSQL knows of how Rollcall does, read in one transaction. A row a partition, a rollup, a
-- table: what it costs does not grow with the fleet.

-- name: one_moment
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ

-- name: partitions
-- All of the deployment: one of which nothing was read has no log time.
SELECT n AS "partition", o.log_time
FROM deployment d
CROSS JOIN generate_series(0, d.partitions - 1) AS n
LEFT JOIN stream_offsets o ON o."partition" = n
ORDER BY n

-- name: outages
-- Silences that were ours since then, the last ones: of overlapping ones of a kind the whole. One that
-- lasts has no end.
SELECT kind, lower(gap) AS started_at, upper(gap) AS ended_at
FROM (SELECT kind, unnest(range_agg(tstzrange(started_at, ended_at))) AS gap
      FROM outages
      WHERE ended_at IS NULL OR ended_at > %(since)s
      GROUP BY kind) AS gaps
ORDER BY started_at DESC, kind LIMIT %(most)s

-- name: rollups
SELECT rollup, through FROM rollup_progress ORDER BY array_position('{quarters,hours,days}', rollup)

-- name: kept
SELECT table_name, kept_from FROM retention_progress ORDER BY table_name
