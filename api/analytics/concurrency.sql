-- Users online over time. Only instants that every partition has count, none inside an outage: what
-- is missing is a gap. {samples} stands for the part named so.

-- name: partitions
-- How many partitions an instant must have.
SELECT partitions FROM deployment

-- name: samples
-- Every complete instant of the part that is read as it was sampled.
SELECT at, sum(foreground)::bigint AS foreground, sum(background)::bigint AS background
FROM concurrency_samples
WHERE at >= %(live_from)s AND at < %(live_to)s AND at <= %(as_of)s
GROUP BY at HAVING count(*) = %(partitions)s

-- name: series
-- By bucket: sums for the mean, and the peaks with their instants.
WITH parts AS (
    SELECT width_bucket(quarter, %(buckets)s::timestamptz[]) AS bucket, samples,
           foreground_sum, background_sum, peak_online, peak_online_at,
           peak_foreground, peak_foreground_at
    FROM concurrency_quarters
    WHERE quarter >= %(quarter_from)s AND quarter < %(quarter_to)s
    UNION ALL
    SELECT width_bucket(at, %(buckets)s::timestamptz[]), 1, foreground, background,
           foreground + background, at, foreground, at
    FROM ({samples}) AS samples
),
online AS (
    SELECT DISTINCT ON (bucket) bucket, peak_online, peak_online_at
    FROM parts ORDER BY bucket, peak_online DESC, peak_online_at
),
foreground AS (
    SELECT DISTINCT ON (bucket) bucket, peak_foreground, peak_foreground_at
    FROM parts ORDER BY bucket, peak_foreground DESC, peak_foreground_at
),
sums AS (
    SELECT bucket, sum(samples)::bigint AS samples, sum(foreground_sum)::bigint AS foreground_sum,
           sum(background_sum)::bigint AS background_sum
    FROM parts GROUP BY bucket
)
SELECT bucket, coalesce(samples, 0) AS samples, foreground_sum, background_sum,
       peak_online, peak_online_at, peak_foreground, peak_foreground_at
FROM generate_series(1, cardinality(%(buckets)s::timestamptz[])) AS bucket
LEFT JOIN sums USING (bucket)
LEFT JOIN online USING (bucket)
LEFT JOIN foreground USING (bucket)
ORDER BY bucket

-- name: screen_series
-- A complete minute without a row of the screen is one with nobody on it.
WITH minutes AS (
    SELECT at FROM concurrency_samples
    WHERE at >= %(live_from)s AND at < %(live_to)s AND at <= %(as_of)s
      AND at = date_trunc('minute', at)
    GROUP BY at HAVING count(*) = %(partitions)s
),
parts AS (
    SELECT width_bucket(at, %(buckets)s::timestamptz[]) AS bucket, at,
           coalesce(foreground, 0) AS foreground
    FROM minutes LEFT JOIN (
        SELECT at, sum(foreground)::bigint AS foreground FROM screen_samples
        WHERE screen = %(screen)s AND at >= %(live_from)s AND at < %(live_to)s
        GROUP BY at) AS screens USING (at)
),
peaks AS (
    SELECT DISTINCT ON (bucket) bucket, foreground AS peak_foreground, at AS peak_foreground_at
    FROM parts ORDER BY bucket, foreground DESC, at
),
sums AS (
    SELECT bucket, count(*) AS samples, sum(foreground)::bigint AS foreground_sum
    FROM parts GROUP BY bucket
)
SELECT bucket, coalesce(samples, 0) AS samples, foreground_sum, peak_foreground, peak_foreground_at
FROM generate_series(1, cardinality(%(buckets)s::timestamptz[])) AS bucket
LEFT JOIN sums USING (bucket)
LEFT JOIN peaks USING (bucket)
ORDER BY bucket

-- name: peak
-- The first instant that had most users online.
SELECT peak_online AS online, peak_online_at AS at FROM (
    SELECT peak_online, peak_online_at FROM concurrency_quarters
    WHERE quarter >= %(quarter_from)s AND quarter < %(quarter_to)s
    UNION ALL
    SELECT foreground + background, at FROM ({samples}) AS samples
) AS parts
ORDER BY peak_online DESC, peak_online_at LIMIT 1
