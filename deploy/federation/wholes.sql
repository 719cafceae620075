-- Views of a federation that are more than the members' rows under each other. {every} stands for these, {here} for how
-- many members answer, before the plan is made.

-- name: deployment
-- To the API each member that answers is a partition.
SELECT true AS only_row, {here} AS partitions

-- name: concurrency_quarters
-- Instants, each as if it were a quarter-hour: the peaks of members are of different instants, and say nothing of the
-- fleet's. Only those that every member has. As far back as all keep samples.
SELECT at AS quarter, 1 AS samples, sum(foreground)::bigint AS foreground_sum, sum(background)::bigint AS background_sum,
       sum(foreground + background)::bigint AS peak_online, at AS peak_online_at,
       sum(foreground)::bigint AS peak_foreground, at AS peak_foreground_at
FROM federation.concurrency_samples GROUP BY at HAVING count(*) = {here}

-- name: reporting_zone
-- Where members have different ones their days are not the same: rollup_progress knows none then.
SELECT true AS only_row, min(time_zone) AS time_zone, max(since) AS since
FROM federation.reporting_zones HAVING count(*) > 0

-- name: rollup_progress
-- As far as all of them are; days only of one zone.
SELECT rollup, min(through) AS through FROM ({every}) AS every
GROUP BY rollup
HAVING count(*) = {here}
   AND (rollup <> 'days' OR (SELECT count(DISTINCT time_zone) = 1 FROM federation.reporting_zones))

-- name: retention_progress
-- What every member keeps.
SELECT table_name, max(kept_from) AS kept_from FROM ({every}) AS every GROUP BY table_name

-- name: small_groups
-- The strictest of the members'.
SELECT true AS only_row, max(min_group_size) AS min_group_size FROM ({every}) AS every HAVING count(*) > 0
