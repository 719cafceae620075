-- Engagement by version and platform: rollups of an hour (schemas/database/sql/0030_screen_versions.sql).

-- name: windows
-- Part: in the place of that of screens.sql, each row with what it is split by as `screen`.
SELECT width_bucket(hour, %(buckets)s::timestamptz[]) AS bucket,
       CASE %(split_by)s::text WHEN 'app_version' THEN app_version WHEN 'platform' THEN platform
                               ELSE screen END AS screen,
       views, visits, dwell_ms, silent_dwell_ms, dwell_histogram::bigint[] AS dwell_histogram, exits,
       bounces, users
FROM screen_version_hours
WHERE hour >= %(from)s AND hour < %(to)s
  AND (%(screen)s::text IS NULL OR screen = %(screen)s)
  AND (%(app_version)s::text IS NULL OR app_version = %(app_version)s)
  AND (%(platform)s::text IS NULL OR platform = %(platform)s)

-- name: sizes
-- How many users a group has for certain: those of the hour and row with the most.
SELECT screen, bucket, max(users)::bigint AS users FROM ({windows}) AS windows GROUP BY 1, 2

-- name: kept_from
-- The first hour of which they are kept; no row: from the first on.
SELECT kept_from FROM retention_progress WHERE table_name = 'screen_version_hours'
