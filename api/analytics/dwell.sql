-- How long visits lasted (api/analytics/screens.sql has what {windows} stands for).

-- name: dwell
-- All visits of a range, and their histogram.
SELECT coalesce(sum(visits), 0)::bigint AS visits,
       coalesce(analytics.merge_histograms(dwell_histogram), '{}') AS dwell_histogram
FROM ({windows}) AS windows
