-- Counts of screens by bucket (api/analytics/screens.sql has what {windows} stands for).

-- name: kept_from
-- The first minute of which anything is kept.
SELECT least((SELECT min(quarter) FROM screen_quarters), (SELECT min(minute) FROM screen_minutes))

-- name: trends
-- A row a screen, the greatest first. Buckets without a row have none.
SELECT screen, sum(count)::bigint AS total, array_agg(bucket) AS buckets, array_agg(count) AS counts
FROM (SELECT screen, bucket,
             sum(CASE %(of)s WHEN 'views' THEN views WHEN 'dwell' THEN dwell_ms
                             WHEN 'exits' THEN exits END)::bigint AS count
      FROM ({windows}) AS windows GROUP BY screen, bucket) AS totals
GROUP BY screen
ORDER BY total DESC, screen
LIMIT %(limit)s
