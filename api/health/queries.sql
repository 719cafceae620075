-- What PostgreSQL knows of how Rollcall does, read in one transaction. A row a partition, a rollup, a
-- table: what it costs does not grow with the fleet.

-- name: one_moment
-- All of it is of one instant.
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ

-- name: partitions
-- All of the deployment: one of which nothing was read has no log time.
SELECT n AS "partition", o.log_time
FROM deployment d
CROSS JOIN generate_series(0, d.partitions - 1) AS n
LEFT JOIN stream_offsets o ON o."partition" = n
ORDER BY n

-- name: rollups
-- How far each is made, the finest first.
SELECT rollup, through FROM rollup_progress ORDER BY array_position('{quarters,hours,days}', rollup)

-- name: kept
-- From when on each table is kept, of those of which something was removed.
SELECT table_name, kept_from FROM retention_progress ORDER BY table_name

-- name: members
-- Of a federation: what is known of each.
SELECT name, here, problem, since, as_of FROM member_states ORDER BY name
