-- Engagement by screen: rollups as far as they are made, minutes after them (api/periods/rollups.py says
-- which part of a range each answers). {windows} stands for the part named so.

-- name: windows
-- Part: what was counted by screen, each row with the number of its bucket.
SELECT width_bucket(day, %(bucket_days)s::date[]) AS bucket, screen, views, visits, dwell_ms,
       silent_dwell_ms, dwell_histogram, exits, bounces
FROM screen_days
WHERE day >= %(day_from)s AND day < %(day_to)s AND {matching}
UNION ALL
SELECT width_bucket(hour, %(buckets)s::timestamptz[]), screen, views, visits, dwell_ms,
       silent_dwell_ms, dwell_histogram, exits, bounces
FROM screen_hours
WHERE %(by_hours)s AND hour <> ALL(%(split_hours)s::timestamptz[])
  AND (hour >= %(quarter_from)s AND hour < %(quarter_to)s
       OR hour >= %(later_quarter_from)s AND hour < %(later_quarter_to)s) AND {matching}
UNION ALL
SELECT width_bucket(quarter, %(buckets)s::timestamptz[]), screen, views, visits, dwell_ms,
       silent_dwell_ms, dwell_histogram, exits, bounces
FROM screen_quarters
WHERE (NOT %(by_hours)s
       OR date_bin('1 hour', quarter, timestamptz 'epoch') = ANY(%(split_hours)s::timestamptz[]))
  AND (quarter >= %(quarter_from)s AND quarter < %(quarter_to)s
       OR quarter >= %(later_quarter_from)s AND quarter < %(later_quarter_to)s) AND {matching}
UNION ALL
SELECT width_bucket(minute, %(buckets)s::timestamptz[]), screen, views, visits, dwell_ms,
       silent_dwell_ms, dwell_histogram::bigint[], exits, bounces
FROM screen_minutes
WHERE minute >= %(live_from)s AND minute < %(live_to)s AND {matching}

-- name: matching
-- Part: the screens that are asked for, or all.
(%(screens)s::text[] IS NULL OR screen = ANY(%(screens)s::text[]))

-- name: engagement
-- A row a screen and bucket, of the best screens only; screens that are given have one in any case.
WITH windows AS ({windows}),
totals AS (
    SELECT screen, bucket, sum(views)::bigint AS views, sum(visits)::bigint AS visits,
           sum(dwell_ms)::bigint AS dwell_ms, sum(silent_dwell_ms)::bigint AS silent_dwell_ms,
           sum(exits)::bigint AS exits, sum(bounces)::bigint AS bounces
    FROM windows GROUP BY screen, bucket
),
best AS (
    SELECT screen, row_number() OVER (
               ORDER BY array_position(%(screens)s::text[], screen),
                        CASE %(sort)s WHEN 'views' THEN views WHEN 'dwell' THEN dwell_ms
                                      WHEN 'exits' THEN exits END DESC,
                        screen
           ) AS place
    FROM (SELECT screen, sum(views) AS views, sum(dwell_ms) AS dwell_ms, sum(exits) AS exits
          FROM (SELECT screen, views, dwell_ms, exits FROM totals
                UNION ALL SELECT unnest(%(screens)s::text[]), 0, 0, 0) AS every
          GROUP BY screen) AS screens
    ORDER BY place LIMIT %(limit)s
),
histograms AS (
    SELECT screen, bucket, analytics.merge_histograms(dwell_histogram) AS dwell_histogram
    FROM windows JOIN best USING (screen)
    GROUP BY screen, bucket
)
SELECT screen, bucket, coalesce(views, 0) AS views, coalesce(visits, 0) AS visits,
       coalesce(dwell_ms, 0) AS dwell_ms, coalesce(silent_dwell_ms, 0) AS silent_dwell_ms,
       coalesce(dwell_histogram, '{}') AS dwell_histogram, coalesce(exits, 0) AS exits,
       coalesce(bounces, 0) AS bounces
FROM best CROSS JOIN generate_series(1, cardinality(%(buckets)s::timestamptz[])) AS bucket
LEFT JOIN totals USING (screen, bucket)
LEFT JOIN histograms USING (screen, bucket)
ORDER BY place, bucket

-- name: other_share
-- Views of all screens together, and of what is beyond the cap of names.
SELECT coalesce(sum(views), 0)::bigint AS views,
       coalesce(sum(views) FILTER (WHERE screen = '(other)'), 0)::bigint AS other
FROM ({windows}) AS windows

-- name: sketches
-- By screen, so that only the unions of one are open at a time.
SELECT screen, bucket, sketch_month, sketch, at_least, at_most FROM (
    SELECT screen, width_bucket(day, %(bucket_days)s::date[]) AS bucket, sketch_month, sketch,
           users AS at_least, coalesce(users_at_most, users) AS at_most
    FROM screen_days
    WHERE day >= %(day_from)s AND day < %(day_to)s AND users > 0 AND {matching}
    UNION ALL
    SELECT screen, width_bucket(hour, %(buckets)s::timestamptz[]), sketch_month, sketch,
           users, users
    FROM screen_hour_users
    WHERE (hour >= %(hour_from)s AND hour < %(hour_to)s
           OR hour >= %(later_hour_from)s AND hour < %(later_hour_to)s) AND {matching}
) AS sketches
ORDER BY screen

-- name: recent_users
-- How many visits began, and if they are not too many for it, how many users did by screen. Names that were
-- beyond the cap, and names of ours, are told as windows tell them.
WITH begun AS MATERIALIZED (
    SELECT screen, user_id FROM changes
    WHERE at >= %(from)s AND at < %(to)s
      AND state = 'foreground' AND reason IN ('started', 'resumed', 'navigated')
    LIMIT %(most)s + 1
),
names AS (SELECT DISTINCT screen FROM ({windows}) AS windows),
named AS (
    SELECT CASE
               WHEN begun.screen IS NULL THEN '(none)'
               WHEN names.screen IS NULL AND EXISTS (SELECT FROM names WHERE screen = '(other)') THEN '(other)'
               ELSE app_screen(begun.screen)
           END COLLATE "C" AS screen,
           user_id
    FROM begun LEFT JOIN names USING (screen)
)
SELECT total.visits, counted.screen, counted.users
FROM (SELECT count(*) AS visits FROM begun) AS total
LEFT JOIN (SELECT screen, count(DISTINCT user_id) AS users FROM named GROUP BY screen) AS counted
     ON total.visits <= %(most)s

-- name: now
-- Users by the screen that they are on in the foreground; screen NULL is none that was named, one
-- that an app has given a name of ours is '(other)', as in windows.
SELECT screen, foreground, sum(foreground) OVER ()::bigint AS foreground_total,
       sum(background) OVER ()::bigint AS background_total,
       count(*) FILTER (WHERE foreground > 0) OVER () AS screens
FROM (SELECT screen, sum(foreground)::bigint AS foreground, sum(background)::bigint AS background
      FROM ({counts}) AS counts GROUP BY screen) AS counts
ORDER BY foreground DESC, screen COLLATE "C" NULLS FIRST
LIMIT %(limit)s

-- name: counted
-- Part: users by screen, of rows of users with screen and state.
SELECT app_screen(screen) COLLATE "C" AS screen,
       count(*) FILTER (WHERE state = 'foreground') AS foreground,
       count(*) FILTER (WHERE state = 'background') AS background
FROM ({users}) AS users GROUP BY 1

-- name: counts_now
-- Part: users by screen as the processor's batches count them; where they are not counted, of users.
SELECT nullif(l.screen, '(none)') AS screen, l.foreground, 0 AS background
FROM live_screens l JOIN stream_offsets o USING ("partition")
WHERE o.live_screens_offset = o.next_offset
UNION ALL
SELECT NULL, 0, background FROM stream_offsets WHERE live_screens_offset = next_offset
UNION ALL
({counted})

-- name: users_uncounted
-- Part: who is online in partitions with which a release went on that does not count them; the first
-- condition keeps everybody from being read where there is none.
SELECT screen, state FROM presence
WHERE NOT canary AND (SELECT count(*) FILTER (WHERE live_screens_offset = next_offset) FROM stream_offsets)
      IS DISTINCT FROM (SELECT partitions FROM deployment)
  AND state <> 'offline'
  AND "partition" <> ALL (ARRAY(
      SELECT "partition" FROM stream_offsets WHERE live_screens_offset = next_offset
  ))
