-- Funnels and retention: what they count is said in docs/analytics.md. As their owner, so that who may
-- read aggregates only is told how many, and never who.

CREATE FUNCTION analytics.funnel_step(
    reached timestamptz[], steps text[], screen text, at timestamptz
) RETURNS timestamptz[]
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    IF screen = steps[cardinality(reached) + 1] THEN
        RETURN reached || at;
    END IF;
    RETURN reached;
END
$$;
COMMENT ON FUNCTION analytics.funnel_step(timestamptz[], text[], text, timestamptz) IS
    'One step of funnel_times: a view is the next step of the session, or none.';

CREATE AGGREGATE analytics.funnel_times(text[], text, timestamptz) (
    SFUNC = analytics.funnel_step, STYPE = timestamptz[], INITCOND = '{}'
);
COMMENT ON AGGREGATE analytics.funnel_times(text[], text, timestamptz) IS
    'When a session reached each step, from its views (screen, start) in order: as many as it reached.';

CREATE FUNCTION analytics.funnel(
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
        SELECT part, row_number() OVER (ORDER BY count(*) DESC, part) AS place
        FROM ways WHERE cardinality(times) > 0 GROUP BY part
    ),
    counted AS (
        SELECT CASE WHEN place <= 10 THEN part ELSE '(other)' END AS part, n AS step,
               count(*) FILTER (WHERE cardinality(times) >= n) AS sessions,
               count(DISTINCT user_id) FILTER (WHERE cardinality(times) >= n) AS users,
               percentile_disc(ARRAY[0.5, 0.9]) WITHIN GROUP (
                   ORDER BY greatest(0, to_ms(times[n]) - to_ms(times[n - 1]))
               ) FILTER (WHERE n > 1 AND cardinality(times) >= n) AS took_ms
        FROM ways JOIN parts USING (part), generate_series(1, cardinality(steps)) AS n
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
COMMENT ON FUNCTION analytics.funnel(text[], timestamptz, timestamptz, text) IS
    'How many sessions viewed these screens in this order, other screens between them or not: views that begin in [since, until), in whole quarter-hours, of visits that are over. split_by: app_version or platform of the view of the first step; the ten with the most sessions and (other). p50_ms, p90_ms: milliseconds from the step before. Reaches back as far as visits are kept (14 days).';

CREATE FUNCTION analytics.retention(weeks integer DEFAULT 9) RETURNS TABLE (
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
    sizes AS (SELECT week, count(*) AS new_users FROM firsts GROUP BY week),
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
COMMENT ON FUNCTION analytics.retention(integer) IS
    'Of the users whose first day is in a week, how many were active in that week and in each later one, up to the present week (complete: the week is over). Weeks begin on Mondays of the reporting zone; so many of them as weeks says, as far as days of users are kept (62 days).';

REVOKE EXECUTE ON FUNCTION analytics.funnel(text[], timestamptz, timestamptz, text),
    analytics.retention(integer) FROM PUBLIC;
