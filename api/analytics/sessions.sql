-- Sessions by when they ended: the rollup as far as it is made, sessions themselves after it.

-- name: summary
-- By bucket: sessions, their lengths, views and how they ended.
WITH parts AS (
    SELECT width_bucket(quarter, %(buckets)s::timestamptz[]) AS bucket, sessions, duration_ms,
           duration_histogram, foreground_ms, views, bounces, timed_out
    FROM session_quarters
    WHERE quarter >= %(quarter_from)s AND quarter < %(quarter_to)s
    UNION ALL
    SELECT width_bucket(ended_at, %(buckets)s::timestamptz[]), 1, duration_ms,
           array_fill(0::bigint, ARRAY[dwell_bucket(duration_ms)]) || 1::bigint,
           foreground_ms, views, (views = 1)::int,
           (ended_by IN {silent_ends})::int
    FROM (SELECT *, to_ms(ended_at) - to_ms(started_at) AS duration_ms FROM sessions
          WHERE ended_at >= %(live_from)s AND ended_at < %(live_to)s
            AND shown_until >= %(live_from)s) AS live
),
sums AS (
    SELECT bucket, sum(sessions)::bigint AS sessions, sum(duration_ms)::bigint AS duration_ms,
           analytics.merge_histograms(duration_histogram) AS duration_histogram,
           sum(foreground_ms)::bigint AS foreground_ms, sum(views)::bigint AS views,
           sum(bounces)::bigint AS bounces, sum(timed_out)::bigint AS timed_out
    FROM parts GROUP BY bucket
)
SELECT bucket, coalesce(sessions, 0) AS sessions, coalesce(duration_ms, 0) AS duration_ms,
       coalesce(duration_histogram, '{}') AS duration_histogram,
       coalesce(foreground_ms, 0) AS foreground_ms, coalesce(views, 0) AS views,
       coalesce(bounces, 0) AS bounces, coalesce(timed_out, 0) AS timed_out
FROM generate_series(1, cardinality(%(buckets)s::timestamptz[])) AS bucket
LEFT JOIN sums USING (bucket)
ORDER BY bucket
