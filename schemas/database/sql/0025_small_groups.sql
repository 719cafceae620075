-- Groups of few users are not told apart, where ROLLCALL_MIN_GROUP_SIZE says so (docs/privacy.md).

-- One row: the least size of a group, as the processor that runs maintenance has it; 0: any.
CREATE TABLE small_groups (
    only_row       boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    min_group_size integer NOT NULL CHECK (min_group_size >= 0)
);

-- No app's screen is called as they are.
CREATE OR REPLACE FUNCTION app_screen(screen text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE
        WHEN screen IN ('(none)', '(start)', '(end)', '(suppressed)') THEN '(other)' ELSE screen
    END;

-- As their owner: who reads the views need not read the table.
CREATE FUNCTION min_group_size() RETURNS integer
    LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path FROM CURRENT AS $$
    SELECT coalesce((SELECT min_group_size FROM small_groups), 0)
$$;

-- Whether a group is merged into '(suppressed)': the rule of api/analytics/small_groups.py. place: from
-- 1, in order of size; so_far: users of it and the groups before it; smallest: of all groups.
CREATE FUNCTION is_merged(
    size bigint, place bigint, so_far numeric, smallest bigint, least_size integer
) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN smallest < least_size
        AND (size < least_size OR place <= 2 OR so_far - size < least_size);

-- What the views below show, whatever the size.
CREATE VIEW screen_engagement_by_hour AS
SELECT
    hour,
    screen,
    sum(views)::bigint AS views,
    sum(visits)::bigint AS visits,
    sum(users)::bigint AS users,
    sum(dwell_ms)::bigint AS dwell_ms,
    sum(silent_dwell_ms)::bigint AS silent_dwell_ms,
    sum(exits)::bigint AS exits,
    sum(bounces)::bigint AS bounces,
    analytics.merge_histograms(dwell_histogram) AS dwell_histogram,
    coalesce(
        (SELECT through FROM rollup_progress WHERE rollup = 'hours'), '-infinity'
    ) AS hours_through
FROM (
    SELECT date_bin('1 hour', quarter, timestamptz 'epoch') AS hour, screen, views, visits,
           0::bigint AS users, dwell_ms, silent_dwell_ms, exits, bounces, dwell_histogram
    FROM screen_quarters
    WHERE quarter < (SELECT through FROM rollup_progress WHERE rollup = 'quarters')
    UNION ALL
    SELECT date_bin('1 hour', minute, timestamptz 'epoch'), screen, views, visits,
           0, dwell_ms, silent_dwell_ms, exits, bounces, dwell_histogram::bigint[]
    FROM screen_minutes
    WHERE minute >= coalesce(
        (SELECT through FROM rollup_progress WHERE rollup = 'quarters'), '-infinity'
    )
    UNION ALL
    SELECT hour, screen, 0, 0, users, 0, 0, 0, 0, '{}'
    FROM screen_hour_users
    WHERE hour < (SELECT through FROM rollup_progress WHERE rollup = 'hours')
) AS pieces
GROUP BY hour, screen;

CREATE VIEW screen_engagement_by_day AS
SELECT * FROM screen_days
WHERE day < (
    SELECT (through AT TIME ZONE time_zone)::date
    FROM rollup_progress, reporting_zone WHERE rollup = 'days'
);

CREATE VIEW screen_flows_by_day AS
SELECT
    day,
    from_screen,
    to_screen,
    transitions,
    transitions / sum(transitions) OVER (PARTITION BY day, from_screen)::double precision
        AS share_of_from,
    transitions / sum(transitions) OVER (PARTITION BY day, to_screen)::double precision
        AS share_of_to
FROM transition_days
WHERE day < (
    SELECT (through AT TIME ZONE time_zone)::date
    FROM rollup_progress, reporting_zone WHERE rollup = 'days'
);

-- In two halves, of which the planner runs one: without a least size a view costs what it did. Users
-- of an hour that is not complete are not known: it is merged as a whole.
CREATE OR REPLACE VIEW analytics.screen_engagement_hourly AS
SELECT
    hour,
    screen,
    views,
    visits,
    CASE WHEN hour < hours_through AND users_at_most = users THEN users END AS users,
    dwell_ms,
    dwell_ms::double precision / nullif(visits, 0) AS mean_dwell_ms,
    analytics.percentile_ms(dwell_histogram, 0.5) AS p50_dwell_ms,
    analytics.percentile_ms(dwell_histogram, 0.9) AS p90_dwell_ms,
    analytics.percentile_ms(dwell_histogram, 0.95) AS p95_dwell_ms,
    silent_dwell_ms,
    silent_dwell_ms::double precision / nullif(dwell_ms, 0) AS silent_share,
    exits,
    bounces,
    dwell_histogram,
    hour < hours_through AS complete
FROM (
    SELECT hour, screen, views, visits, users, users AS users_at_most, dwell_ms, silent_dwell_ms,
           exits, bounces, dwell_histogram, hours_through
    FROM screen_engagement_by_hour WHERE (SELECT min_group_size() <= 1)
    UNION ALL
    SELECT hour, CASE WHEN merged THEN '(suppressed)' ELSE screen END, sum(views)::bigint,
           sum(visits)::bigint, max(users), sum(users)::bigint, sum(dwell_ms)::bigint,
           sum(silent_dwell_ms)::bigint, sum(exits)::bigint, sum(bounces)::bigint,
           analytics.merge_histograms(dwell_histogram), hours_through
    FROM (
        SELECT *, is_merged(
            size, row_number() OVER by_size, sum(size) OVER by_size, min(size) OVER of_hour,
            (SELECT min_group_size())
        ) AS merged
        FROM (
            SELECT *, CASE WHEN hour < hours_through THEN users ELSE 0 END AS size
            FROM screen_engagement_by_hour WHERE (SELECT min_group_size() > 1)
        ) AS sized
        WINDOW of_hour AS (PARTITION BY hour), by_size AS (PARTITION BY hour ORDER BY size, screen)
    ) AS told
    GROUP BY 1, 2, hours_through
) AS hourly;

CREATE OR REPLACE VIEW analytics.screen_engagement_daily AS
SELECT
    day,
    screen,
    views,
    visits,
    CASE WHEN users_at_most = users THEN users END AS users,
    dwell_ms,
    dwell_ms::double precision / nullif(visits, 0) AS mean_dwell_ms,
    analytics.percentile_ms(dwell_histogram, 0.5) AS p50_dwell_ms,
    analytics.percentile_ms(dwell_histogram, 0.9) AS p90_dwell_ms,
    analytics.percentile_ms(dwell_histogram, 0.95) AS p95_dwell_ms,
    silent_dwell_ms,
    silent_dwell_ms::double precision / nullif(dwell_ms, 0) AS silent_share,
    exits,
    bounces,
    dwell_histogram,
    users AS users_at_least,
    users_at_most
FROM (
    SELECT day, screen, views, visits, users, coalesce(users_at_most, users) AS users_at_most,
           dwell_ms, silent_dwell_ms, exits, bounces, dwell_histogram
    FROM screen_engagement_by_day WHERE (SELECT min_group_size() <= 1)
    UNION ALL
    SELECT day, CASE WHEN merged THEN '(suppressed)' ELSE screen END, sum(views)::bigint,
           sum(visits)::bigint, max(users), sum(coalesce(users_at_most, users))::bigint,
           sum(dwell_ms)::bigint, sum(silent_dwell_ms)::bigint, sum(exits)::bigint,
           sum(bounces)::bigint, analytics.merge_histograms(dwell_histogram)
    FROM (
        SELECT *, is_merged(
            users, row_number() OVER by_size, sum(users) OVER by_size, min(users) OVER of_day,
            (SELECT min_group_size())
        ) AS merged
        FROM screen_engagement_by_day WHERE (SELECT min_group_size() > 1)
        WINDOW of_day AS (PARTITION BY day), by_size AS (PARTITION BY day ORDER BY users, screen)
    ) AS told
    GROUP BY 1, 2
) AS daily;

-- How many users went a way is not kept: no more than transitions.
CREATE OR REPLACE VIEW analytics.screen_flows_daily AS
SELECT day, from_screen, to_screen, transitions, share_of_from, share_of_to
FROM screen_flows_by_day WHERE (SELECT min_group_size() <= 1)
UNION ALL
SELECT day, CASE WHEN merged THEN '(suppressed)' ELSE from_screen END,
       CASE WHEN merged THEN '(suppressed)' ELSE to_screen END, sum(transitions)::bigint,
       CASE WHEN NOT merged THEN min(share_of_from) END,
       CASE WHEN NOT merged THEN min(share_of_to) END
FROM (
    SELECT *, is_merged(
        transitions, row_number() OVER by_size, sum(transitions) OVER by_size,
        min(transitions) OVER of_day, (SELECT min_group_size())
    ) AS merged
    FROM screen_flows_by_day WHERE (SELECT min_group_size() > 1)
    WINDOW of_day AS (PARTITION BY day),
           by_size AS (PARTITION BY day ORDER BY transitions, from_screen, to_screen)
) AS told
GROUP BY day, 2, 3, merged;

CREATE OR REPLACE FUNCTION analytics.funnel(
    steps text[], since timestamptz, until timestamptz, split_by text DEFAULT NULL
) RETURNS TABLE (
    value text, step integer, screen text, sessions bigint, users bigint,
    from_first double precision, from_before double precision, p50_ms bigint, p90_ms bigint
)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$
    -- What ends one device's visits is in one partition: the log has their order.
    WITH ways AS (
        SELECT user_id,
               (array_agg(part ORDER BY log_offset, event_index, ordinal)
                   FILTER (WHERE screen = steps[1]))[1] AS part,
               analytics.funnel_times(
                   steps, screen, started_at ORDER BY log_offset, event_index, ordinal
               ) AS times
        FROM (
            SELECT user_id, device, session_start, started_at, log_offset, event_index, ordinal,
                   coalesce(app_screen(screen), '(none)') AS screen,
                   coalesce(
                       CASE split_by WHEN 'app_version' THEN app_version
                                     WHEN 'platform' THEN platform END,
                       '(none)'
                   ) AS part
            FROM spans
            WHERE state = 'foreground' AND is_view
              AND coalesce(app_screen(screen), '(none)') = ANY (steps)
              AND shown_until >= date_bin('15 minutes', since, timestamptz 'epoch')
              AND started_at >= date_bin('15 minutes', since, timestamptz 'epoch')
              AND started_at < date_bin('15 minutes', until, timestamptz 'epoch')
        ) AS views
        GROUP BY user_id, device, session_start
    ),
    parts AS (
        SELECT part, CASE
            WHEN row_number() OVER (ORDER BY count(*) DESC, part) <= 10 THEN part ELSE '(other)'
        END AS name
        FROM ways WHERE cardinality(times) > 0 GROUP BY part
    ),
    sizes AS (
        SELECT name, count(DISTINCT user_id) AS size
        FROM ways JOIN parts USING (part) WHERE cardinality(times) > 0 GROUP BY name
    ),
    named AS (
        SELECT name, CASE
            WHEN split_by IS NOT NULL AND is_merged(
                size, row_number() OVER by_size, sum(size) OVER by_size, min(size) OVER (),
                (SELECT min_group_size())
            ) THEN '(suppressed)' ELSE name
        END AS told
        FROM sizes WINDOW by_size AS (ORDER BY size, name)
    ),
    counted AS (
        SELECT told AS part, n AS step,
               count(*) FILTER (WHERE cardinality(times) >= n) AS sessions,
               count(DISTINCT user_id) FILTER (WHERE cardinality(times) >= n) AS users,
               percentile_disc(ARRAY[0.5, 0.9]) WITHIN GROUP (
                   ORDER BY greatest(0, to_ms(times[n]) - to_ms(times[n - 1]))
               ) FILTER (WHERE n > 1 AND cardinality(times) >= n) AS took_ms
        FROM ways JOIN parts USING (part) JOIN named USING (name),
             generate_series(1, cardinality(steps)) AS n
        WHERE cardinality(times) > 0
        GROUP BY 1, 2
    )
    SELECT CASE WHEN split_by IS NOT NULL THEN part END, counted.step, steps[counted.step],
           counted.sessions, counted.users,
           counted.sessions / first_value(counted.sessions) OVER in_order::double precision,
           counted.sessions
               / nullif(lag(counted.sessions) OVER in_order, 0)::double precision,
           took_ms[1], took_ms[2]
    FROM counted
    WINDOW in_order AS (PARTITION BY part ORDER BY counted.step)
    ORDER BY max(counted.sessions) OVER (PARTITION BY part) DESC, part, counted.step
$$;
CREATE OR REPLACE FUNCTION analytics.retention(weeks integer DEFAULT 9) RETURNS TABLE (
    first_week date, new_users bigint, weeks_later integer, active_users bigint,
    share double precision, complete boolean
)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$
    WITH zone AS (
        SELECT coalesce((SELECT time_zone FROM reporting_zone), 'UTC') AS name
    ),
    today AS (
        SELECT (min(log_time) AT TIME ZONE name)::date AS day FROM stream_offsets, zone GROUP BY name
    ),
    -- Mondays. The first week is one that is kept as a whole.
    bounds AS (
        SELECT day AS today, day - extract(isodow FROM day)::integer + 1 AS this_week,
               (SELECT (kept_from AT TIME ZONE name)::date
                       + 7 - extract(isodow FROM (kept_from AT TIME ZONE name)::date - 1)::integer
                FROM retention_progress, zone WHERE table_name = 'user_days') AS first_kept
        FROM today
    ),
    firsts AS (
        SELECT user_id, day - extract(isodow FROM day)::integer + 1 AS week
        FROM user_days, bounds
        WHERE is_new
          AND day >= greatest(this_week - 7 * (least(weeks, 53) - 1), first_kept)
          AND day <= today
    ),
    sizes AS (
        SELECT week, count(*) AS new_users FROM firsts GROUP BY week
        HAVING count(*) >= min_group_size()
    ),
    active AS (
        SELECT week, later, count(*) AS active_users
        FROM (
            SELECT DISTINCT firsts.week, firsts.user_id, (user_days.day - firsts.week) / 7 AS later
            FROM firsts JOIN user_days USING (user_id)
            WHERE user_days.day >= firsts.week
        ) AS weeks_of_users
        GROUP BY week, later
    )
    SELECT sizes.week, sizes.new_users, later, coalesce(active.active_users, 0),
           coalesce(active.active_users, 0) / sizes.new_users::double precision,
           sizes.week + 7 * (later + 1) <= today
    FROM bounds CROSS JOIN sizes
    CROSS JOIN generate_series(0, (bounds.this_week - sizes.week) / 7) AS later
    LEFT JOIN active USING (week, later)
    ORDER BY sizes.week, later
$$;

COMMENT ON COLUMN analytics.screen_engagement_hourly.screen IS
    'Screen as the app names it; ''(none)'': in the foreground before the session named a screen; ''(other)'': screens beyond the cap of a minute (docs/analytics.md); ''(suppressed)'': groups of fewer users than ROLLCALL_MIN_GROUP_SIZE, together (docs/privacy.md).';
COMMENT ON COLUMN analytics.screen_engagement_daily.screen IS
    'Screen as the app names it; ''(none)'': in the foreground before the session named a screen; ''(other)'': screens beyond the cap of a minute (docs/analytics.md); ''(suppressed)'': groups of fewer users than ROLLCALL_MIN_GROUP_SIZE, together (docs/privacy.md).';
COMMENT ON COLUMN analytics.screen_engagement_hourly.users IS
    'Different users who began a visit on the screen in the hour: estimate of a HyperLogLog sketch with a relative standard error of 1.6 % (95 % of estimates within 3.3 %); all but exact up to a few hundred. NULL until the hour is complete, and of several screens that are ''(suppressed)''. Not additive.';
COMMENT ON COLUMN analytics.screen_engagement_daily.users IS
    'Different users who began a visit on the screen on the day: estimate of a HyperLogLog sketch with a relative standard error of 1.6 % (95 % of estimates within 3.3 %); all but exact up to a few hundred. NULL where users_at_least and users_at_most differ: of several screens that are ''(suppressed)'', and on a day that another reporting zone made anew when nobody could count its users any more. Not additive.';
COMMENT ON COLUMN analytics.screen_flows_daily.from_screen IS
    'Screen of the earlier view; ''(start)'': the later one is the session''s first; ''(suppressed)'': groups of fewer users than ROLLCALL_MIN_GROUP_SIZE, together (docs/privacy.md), counted by transitions.';
COMMENT ON COLUMN analytics.screen_flows_daily.share_of_from IS
    'Share in all that left from_screen that day, 0 to 1; NULL of ''(suppressed)''. Not additive.';
COMMENT ON COLUMN analytics.screen_flows_daily.share_of_to IS
    'Share in all that came to to_screen that day, 0 to 1; NULL of ''(suppressed)''. Not additive.';
