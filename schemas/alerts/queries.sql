-- Product alerts: what rules are held against, as it is stored, and alerts as they are made, shown and ended.

-- name: now
-- as_of: every partition is complete up to it; nothing while log time passes again. at_least: history.
SELECT (SELECT CASE WHEN count(o.log_time) = max(d.partitions) THEN min(o.log_time) END
        FROM stream_offsets o CROSS JOIN deployment d
        WHERE NOT EXISTS (
            SELECT FROM clock_steps c JOIN stream_offsets s USING ("partition")
            WHERE c.from_time > s.log_time
        )) AS as_of

-- name: points
-- Of all rules at once: what is measured (of, name), when, and how much. Only instants that every
-- partition has count; a group of fewer users than may be told apart counts as none.
WITH whole AS MATERIALIZED (
    SELECT at, sum(foreground + background)::bigint AS online FROM concurrency_samples
    WHERE at = ANY(%(minutes)s::timestamptz[])
    GROUP BY at HAVING count(*) = (SELECT partitions FROM deployment)
),
-- The first quarter-hour that is not rolled up: from it on, the processor's own windows have all.
rolled AS (
    SELECT coalesce((SELECT through FROM rollup_progress WHERE rollup = 'quarters'), '-infinity') AS through
),
flows AS (
    SELECT quarter, from_screen, to_screen, transitions FROM transition_quarters, rolled
    WHERE quarter = ANY(%(quarters)s::timestamptz[]) AND quarter < through
      AND (from_screen = '(start)' OR to_screen = '(end)')
    UNION ALL
    SELECT quarter, from_screen, to_screen, transitions FROM screen_transitions, rolled
    WHERE quarter = ANY(%(quarters)s::timestamptz[]) AND quarter >= through
      AND (from_screen = '(start)' OR to_screen = '(end)')
),
known_quarters AS (
    SELECT quarter FROM unnest(%(quarters)s::timestamptz[]) AS quarter
    WHERE quarter >= (SELECT min(at) FROM concurrency_samples)
),
ended AS (
    SELECT quarter, s.app_version, count(*) AS sessions
    FROM unnest(%(share_quarters)s::timestamptz[]) AS quarter
    JOIN sessions s ON s.ended_at >= quarter AND s.ended_at < quarter + interval '15 minutes'
    GROUP BY quarter, s.app_version
)
SELECT 'online' AS of, '' AS name, at, online::float8 AS value FROM whole
UNION ALL
SELECT 'peak', '', m.at, (
    SELECT max(online) FROM (
        SELECT sum(foreground + background) AS online FROM concurrency_samples s
        WHERE s.at > m.at - interval '1 minute' AND s.at <= m.at
        GROUP BY s.at HAVING count(*) = (SELECT partitions FROM deployment)
    ) AS samples
)::float8
FROM unnest(%(peak_minutes)s::timestamptz[]) AS m (at)
UNION ALL
SELECT 'screen', w.screen, whole.at,
       CASE WHEN coalesce(sum(s.foreground), 0) >= min_group_size()
            THEN coalesce(sum(s.foreground), 0) ELSE 0 END::float8
FROM whole CROSS JOIN unnest(%(screens)s::text[]) AS w (screen)
LEFT JOIN screen_samples s ON s.at = whole.at AND s.screen = w.screen
GROUP BY w.screen, whole.at
UNION ALL
SELECT 'arrivals', w.screen, q.quarter, coalesce(sum(f.transitions), 0)::float8
FROM known_quarters q CROSS JOIN unnest(%(entries)s::text[]) AS w (screen)
LEFT JOIN flows f ON f.quarter = q.quarter AND f.from_screen = '(start)'
    AND (w.screen = '' OR f.to_screen = w.screen)
GROUP BY w.screen, q.quarter
UNION ALL
SELECT 'exits', w.screen, q.quarter, coalesce(sum(f.transitions), 0)::float8
FROM known_quarters q CROSS JOIN unnest(%(leavings)s::text[]) AS w (screen)
LEFT JOIN flows f ON f.quarter = q.quarter AND f.to_screen = '(end)'
    AND (w.screen = '' OR f.from_screen = w.screen)
GROUP BY w.screen, q.quarter
UNION ALL
SELECT 'version_share', v.version, e.quarter,
       CASE WHEN sum(e.sessions) FILTER (WHERE e.app_version = v.version) >= min_group_size()
            THEN 100.0 * sum(e.sessions) FILTER (WHERE e.app_version = v.version) / sum(e.sessions)
            ELSE 0 END::float8
FROM ended e CROSS JOIN unnest(%(versions)s::text[]) AS v (version)
GROUP BY v.version, e.quarter

-- name: outages
-- Silences that were ours; one that lasts has no end.
SELECT started_at, ended_at FROM outages
WHERE started_at < %(to)s AND (ended_at IS NULL OR ended_at > %(from)s)

-- name: peak
-- The highest before an instant, and since when there is any history. A quarter-hour that holds the
-- instant is read as it was sampled.
WITH parts AS (
    SELECT peak_online AS online, quarter AS at FROM concurrency_quarters
    WHERE quarter + interval '15 minutes' <= %(before)s
    UNION ALL
    SELECT sum(foreground + background), at FROM concurrency_samples
    WHERE at <= %(before)s AND at >= coalesce(
        (SELECT max(quarter) + interval '15 minutes' FROM concurrency_quarters
         WHERE quarter + interval '15 minutes' <= %(before)s), '-infinity')
    GROUP BY at HAVING count(*) = (SELECT partitions FROM deployment)
)
SELECT max(online)::float8 AS peak, min(at) AS history_since FROM parts

-- name: create
-- No row: there are %(most)s already.
WITH made AS (
    INSERT INTO alerts (id, rule, target, address, secret, created_by)
    SELECT %(id)s, %(rule)s::jsonb, %(target)s, %(address)s, %(secret)s, %(created_by)s
    WHERE (SELECT count(*) FROM alerts) < %(most)s
    RETURNING id
)
INSERT INTO managed_audit (who_kind, who, kind, managed, action, details)
SELECT %(who_kind)s, %(who)s, 'alert', id, 'made', %(details)s::jsonb FROM made
RETURNING managed

-- name: exists
-- Whether there is one of this id.
SELECT EXISTS (SELECT FROM alerts WHERE id = %(id)s)

-- name: rotate
-- A new secret that signs; the one before it signs too, for a while.
WITH rotated AS (
    UPDATE alerts
    SET previous_secret = secret, previous_until = now() + %(overlap_seconds)s * interval '1 second',
        secret = %(secret)s
    WHERE id = %(id)s AND target = 'webhook'
    RETURNING id, previous_until
), noted AS (
    INSERT INTO managed_audit (who_kind, who, kind, managed, action, details)
    SELECT %(who_kind)s, %(who)s, 'alert', id, 'rotated',
           jsonb_build_object('overlap_seconds', %(overlap_seconds)s::integer)
    FROM rotated
)
SELECT previous_until FROM rotated

-- name: list
-- Oldest first; what the oldest notice that waits was answered, and how many were given up.
SELECT a.id, a.rule, a.target, a.address, a.state, a.created_at, a.created_by, a.previous_until,
       n.waiting, n.given_up, n.problem, n.last_fired_at
FROM alerts a
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE delivered_at IS NULL AND given_up_at IS NULL) AS waiting,
           count(given_up_at) AS given_up,
           (array_agg(problem ORDER BY at) FILTER (WHERE delivered_at IS NULL AND given_up_at IS NULL))[1]
               AS problem,
           max(at) FILTER (WHERE kind = 'fired') AS last_fired_at
    FROM alert_notices WHERE alert = a.id
) n
ORDER BY a.created_at, a.id

-- name: delete
-- With what it had to tell.
WITH ended AS (DELETE FROM alerts WHERE id = %(id)s RETURNING id)
INSERT INTO managed_audit (who_kind, who, kind, managed, action)
SELECT %(who_kind)s, %(who)s, 'alert', id, 'ended' FROM ended
