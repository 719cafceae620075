-- The schema for analysts: views that only gain columns within a major version. docs/analytics.md
-- explains their words and answers ten questions with them. Times are log time (the broker's clock).

CREATE SCHEMA analytics;
COMMENT ON SCHEMA analytics IS
    'Stable, read-only views of Rollcall for SQL, Grafana and BI. Definitions: docs/analytics.md.';

CREATE FUNCTION analytics.add_histogram(total bigint[], counts bigint[]) RETURNS bigint[]
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    -- Element by element, in place: three times as fast as unnest and array_agg.
    FOR n IN 1 .. coalesce(array_length(counts, 1), 0) LOOP
        total[n] := coalesce(total[n], 0) + counts[n];
    END LOOP;
    RETURN total;
END
$$;
COMMENT ON FUNCTION analytics.add_histogram(bigint[], bigint[]) IS
    'One step of merge_histograms: two histograms as one.';

CREATE AGGREGATE analytics.merge_histograms(bigint[]) (
    SFUNC = analytics.add_histogram, STYPE = bigint[], INITCOND = '{}',
    COMBINEFUNC = analytics.add_histogram, PARALLEL = SAFE
);
COMMENT ON AGGREGATE analytics.merge_histograms(bigint[]) IS
    'Histograms of hours, days or screens as one: its percentiles are those of all of them together.';

-- Agrees with schemas/dwell.py: the geometric middle of the bucket with the nearest rank.
CREATE FUNCTION analytics.percentile_ms(counts bigint[], fraction double precision) RETURNS bigint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (
        SELECT (ARRAY[
        125, 273, 324, 386, 459, 545, 648, 771, 917, 1091, 1297, 1542, 1834, 2181, 2594, 3084,
        3668, 4362, 5187, 6169, 7336, 8724, 10375, 12338, 14672, 17448, 20749, 24675, 29344,
        34896, 41499, 49351, 58688, 69792, 82998, 98701, 117377, 139585, 165995, 197403, 234753,
        279170, 331991, 394806, 469506, 558340, 663982, 789612, 939012, 1116680, 1327964,
        1579224, 1878024, 2233360, 2655927, 3158448, 3756049, 4466720, 5311855, 6316896,
        7512097, 8933439, 10623710, 12633791, 15024194, 17866879, 21247419, 25267582, 30048388,
        35733757, 42494839, 50535164, 60096777, 71467515, 84989677, 101070329, 120193554
        ]::bigint[])[bucket]
        FROM (
            SELECT bucket, sum(n) OVER (ORDER BY bucket) AS so_far, sum(n) OVER () AS total
            FROM unnest(counts) WITH ORDINALITY AS each (n, bucket)
        ) AS cumulated
        WHERE so_far >= greatest(1, ceil(fraction * total::double precision)::numeric)
        ORDER BY bucket
        LIMIT 1
    );
COMMENT ON FUNCTION analytics.percentile_ms(bigint[], double precision) IS
    'Milliseconds below which that fraction (0 to 1) of a histogram''s durations lie, within 9.1 %; NULL of none.';

-- The tail of hours that are not rolled up yet comes from the windows of a minute.
CREATE VIEW analytics.screen_engagement_hourly AS
SELECT
    hour,
    screen,
    views,
    visits,
    CASE WHEN hour < hours_through THEN users END AS users,
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
    GROUP BY hour, screen
) AS hourly;

COMMENT ON VIEW analytics.screen_engagement_hourly IS
    'What happened on each screen in each hour, to this minute. One row per hour and screen with anything to count. Kept 400 days (ROLLCALL_ROLLUPS_RETENTION_DAYS).';
COMMENT ON COLUMN analytics.screen_engagement_hourly.hour IS
    'Start of the hour (UTC hours). Views count in the hour in which their visit began; visits, dwell, exits and bounces in that in which they ended.';
COMMENT ON COLUMN analytics.screen_engagement_hourly.screen IS
    'Screen as the app names it; ''(none)'': in the foreground before the session named a screen; ''(other)'': screens beyond the cap of a minute (docs/analytics.md).';
COMMENT ON COLUMN analytics.screen_engagement_hourly.views IS
    'Views that began here: visits on another screen than the visit before in the session. Additive.';
COMMENT ON COLUMN analytics.screen_engagement_hourly.visits IS
    'Visits that ended here: unbroken stays in the foreground on the screen. Additive.';
COMMENT ON COLUMN analytics.screen_engagement_hourly.users IS
    'Different users who began a visit on the screen in the hour: estimate of a HyperLogLog sketch with a relative standard error of 1.6 % (95 % of estimates within 3.3 %); all but exact up to a few hundred. NULL until the hour is complete. Not additive.';
COMMENT ON COLUMN analytics.screen_engagement_hourly.dwell_ms IS
    'Milliseconds: dwell of the visits that ended here. A lower bound, see silent_dwell_ms. Additive.';
COMMENT ON COLUMN analytics.screen_engagement_hourly.mean_dwell_ms IS
    'Milliseconds: dwell_ms / visits; NULL without visits. Not additive.';
COMMENT ON COLUMN analytics.screen_engagement_hourly.p50_dwell_ms IS
    'Milliseconds: median dwell of the visits, within 9.1 % (0 to 250 ms: within 125 ms); NULL without visits. Not additive: merge dwell_histogram.';
COMMENT ON COLUMN analytics.screen_engagement_hourly.p90_dwell_ms IS
    'Milliseconds: nine in ten visits were no longer, within 9.1 %. Not additive: merge dwell_histogram.';
COMMENT ON COLUMN analytics.screen_engagement_hourly.p95_dwell_ms IS
    'Milliseconds: nineteen in twenty visits were no longer, within 9.1 %. Not additive: merge dwell_histogram.';
COMMENT ON COLUMN analytics.screen_engagement_hourly.silent_dwell_ms IS
    'Milliseconds: the part of dwell_ms that is of visits which ended by silence (timed_out or disconnected): they lasted at least so long. Additive.';
COMMENT ON COLUMN analytics.screen_engagement_hourly.silent_share IS
    'silent_dwell_ms / dwell_ms, 0 to 1; NULL without dwell. Not additive.';
COMMENT ON COLUMN analytics.screen_engagement_hourly.exits IS
    'Sessions that ended here with this as their last viewed screen. Additive.';
COMMENT ON COLUMN analytics.screen_engagement_hourly.bounces IS
    'Those of the exits whose session had exactly one view. Additive.';
COMMENT ON COLUMN analytics.screen_engagement_hourly.dwell_histogram IS
    'Visits by dwell: element 1 counts those below 250 ms, element n + 1 those of 250 ms * 2^((n-1)/4) to below 250 ms * 2^(n/4). Merge with analytics.merge_histograms, read with analytics.percentile_ms.';
COMMENT ON COLUMN analytics.screen_engagement_hourly.complete IS
    'The hour is over for every partition and rolled up (about 45 minutes after its end); false: it is still counted, and users is NULL.';

CREATE VIEW analytics.screen_engagement_daily AS
SELECT
    day,
    screen,
    views,
    visits,
    users,
    dwell_ms,
    dwell_ms::double precision / nullif(visits, 0) AS mean_dwell_ms,
    analytics.percentile_ms(dwell_histogram, 0.5) AS p50_dwell_ms,
    analytics.percentile_ms(dwell_histogram, 0.9) AS p90_dwell_ms,
    analytics.percentile_ms(dwell_histogram, 0.95) AS p95_dwell_ms,
    silent_dwell_ms,
    silent_dwell_ms::double precision / nullif(dwell_ms, 0) AS silent_share,
    exits,
    bounces,
    dwell_histogram
FROM screen_days
WHERE day < (
    SELECT (through AT TIME ZONE time_zone)::date
    FROM rollup_progress, reporting_zone WHERE rollup = 'days'
);

COMMENT ON VIEW analytics.screen_engagement_daily IS
    'What happened on each screen on each complete day of the reporting zone (ROLLCALL_REPORTING_TIME_ZONE). Kept 400 days.';
COMMENT ON COLUMN analytics.screen_engagement_daily.day IS
    'Day of the reporting zone: 24 hours, 23 or 25 when clocks are changed. Views count on the day on which their visit began; visits, dwell, exits and bounces on that on which they ended.';
COMMENT ON COLUMN analytics.screen_engagement_daily.screen IS
    'Screen as the app names it; ''(none)'': in the foreground before the session named a screen; ''(other)'': screens beyond the cap of a minute (docs/analytics.md).';
COMMENT ON COLUMN analytics.screen_engagement_daily.views IS
    'Views that began here: visits on another screen than the visit before in the session. Additive.';
COMMENT ON COLUMN analytics.screen_engagement_daily.visits IS
    'Visits that ended here: unbroken stays in the foreground on the screen. Additive.';
COMMENT ON COLUMN analytics.screen_engagement_daily.users IS
    'Different users who began a visit on the screen on the day: estimate of a HyperLogLog sketch with a relative standard error of 1.6 % (95 % of estimates within 3.3 %); all but exact up to a few hundred. Not additive.';
COMMENT ON COLUMN analytics.screen_engagement_daily.dwell_ms IS
    'Milliseconds: dwell of the visits that ended here. A lower bound, see silent_dwell_ms. Additive.';
COMMENT ON COLUMN analytics.screen_engagement_daily.mean_dwell_ms IS
    'Milliseconds: dwell_ms / visits; NULL without visits. Not additive.';
COMMENT ON COLUMN analytics.screen_engagement_daily.p50_dwell_ms IS
    'Milliseconds: median dwell of the visits, within 9.1 % (0 to 250 ms: within 125 ms); NULL without visits. Not additive: merge dwell_histogram.';
COMMENT ON COLUMN analytics.screen_engagement_daily.p90_dwell_ms IS
    'Milliseconds: nine in ten visits were no longer, within 9.1 %. Not additive: merge dwell_histogram.';
COMMENT ON COLUMN analytics.screen_engagement_daily.p95_dwell_ms IS
    'Milliseconds: nineteen in twenty visits were no longer, within 9.1 %. Not additive: merge dwell_histogram.';
COMMENT ON COLUMN analytics.screen_engagement_daily.silent_dwell_ms IS
    'Milliseconds: the part of dwell_ms that is of visits which ended by silence (timed_out or disconnected): they lasted at least so long. Additive.';
COMMENT ON COLUMN analytics.screen_engagement_daily.silent_share IS
    'silent_dwell_ms / dwell_ms, 0 to 1; NULL without dwell. Not additive.';
COMMENT ON COLUMN analytics.screen_engagement_daily.exits IS
    'Sessions that ended here with this as their last viewed screen. Additive.';
COMMENT ON COLUMN analytics.screen_engagement_daily.bounces IS
    'Those of the exits whose session had exactly one view. Additive.';
COMMENT ON COLUMN analytics.screen_engagement_daily.dwell_histogram IS
    'Visits by dwell: element 1 counts those below 250 ms, element n + 1 those of 250 ms * 2^((n-1)/4) to below 250 ms * 2^(n/4). Merge with analytics.merge_histograms, read with analytics.percentile_ms.';

CREATE VIEW analytics.screen_flows_daily AS
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

COMMENT ON VIEW analytics.screen_flows_daily IS
    'From one view of a session to the next, and to its end, on each complete day of the reporting zone. Kept 400 days.';
COMMENT ON COLUMN analytics.screen_flows_daily.day IS
    'Day of the reporting zone on which the later view began, or the session ended.';
COMMENT ON COLUMN analytics.screen_flows_daily.from_screen IS
    'Screen of the earlier view; ''(start)'': the later one is the session''s first.';
COMMENT ON COLUMN analytics.screen_flows_daily.to_screen IS
    'Screen of the later view; ''(end)'': the session ended.';
COMMENT ON COLUMN analytics.screen_flows_daily.transitions IS
    'How often. Additive.';
COMMENT ON COLUMN analytics.screen_flows_daily.share_of_from IS
    'Share in all that left from_screen that day, 0 to 1. Not additive.';
COMMENT ON COLUMN analytics.screen_flows_daily.share_of_to IS
    'Share in all that came to to_screen that day, 0 to 1. Not additive.';

CREATE VIEW analytics.visits AS
SELECT
    started_at,
    ended_at,
    to_ms(ended_at) - to_ms(started_at) AS dwell_ms,
    shown_until,
    user_id,
    device,
    coalesce(screen, '(none)') AS screen,
    is_view,
    ended_by::text AS ended_by,
    ended_by IN ('timed_out', 'disconnected') AS ended_in_silence,
    session_start,
    app_version,
    device_info,
    platform
FROM spans
WHERE state = 'foreground';

COMMENT ON VIEW analytics.visits IS
    'Every closed visit: one device in the foreground on one screen, unbroken. About people: granted by --with-people. Kept 14 days after its end (ROLLCALL_SPANS_RETENTION_DAYS); filter by shown_until, by which it is stored.';
COMMENT ON COLUMN analytics.visits.started_at IS 'When the visit began.';
COMMENT ON COLUMN analytics.visits.ended_at IS
    'When it ended for engagement: after a time-out the last sign of life, after a lost socket its disconnect less the silence before it.';
COMMENT ON COLUMN analytics.visits.dwell_ms IS
    'Milliseconds from started_at to ended_at; a lower bound if ended_in_silence.';
COMMENT ON COLUMN analytics.visits.shown_until IS
    'When presence stopped showing it: after a time-out the deadline, else as ended_at.';
COMMENT ON COLUMN analytics.visits.user_id IS 'User, as the token names them.';
COMMENT ON COLUMN analytics.visits.device IS 'Device of the user.';
COMMENT ON COLUMN analytics.visits.screen IS
    'Screen as the app names it (also beyond the cap of a minute); ''(none)'': none was named yet.';
COMMENT ON COLUMN analytics.visits.is_view IS
    'On another screen than the session''s visit before, or its first: what views counts.';
COMMENT ON COLUMN analytics.visits.ended_by IS
    'navigated, backgrounded, resumed, logged_out, timed_out, disconnected, opted_out, erased, evicted, or continued: open for 24 h, the next visit goes on from here.';
COMMENT ON COLUMN analytics.visits.ended_in_silence IS
    'ended_by is timed_out or disconnected: the phone was not heard of again.';
COMMENT ON COLUMN analytics.visits.session_start IS
    'When the device came online: with user_id and device it names the session.';
COMMENT ON COLUMN analytics.visits.app_version IS 'Version of the app; NULL unknown.';
COMMENT ON COLUMN analytics.visits.device_info IS 'The device as the app describes it; NULL unknown.';
COMMENT ON COLUMN analytics.visits.platform IS 'Platform as the app names it; NULL unknown.';

CREATE VIEW analytics.sessions AS
SELECT
    started_at,
    ended_at,
    to_ms(ended_at) - to_ms(started_at) AS duration_ms,
    shown_until,
    user_id,
    device,
    views,
    visits,
    foreground_ms,
    views = 1 AS is_bounce,
    entry_screen,
    exit_screen,
    ended_by::text AS ended_by,
    ended_by IN ('timed_out', 'disconnected') AS ended_in_silence,
    app_version,
    device_info,
    platform
FROM sessions;

COMMENT ON VIEW analytics.sessions IS
    'Every ended session: one device from online to offline. About people: granted by --with-people. Kept 14 days after its end (ROLLCALL_SPANS_RETENTION_DAYS).';
COMMENT ON COLUMN analytics.sessions.started_at IS 'When the device came online.';
COMMENT ON COLUMN analytics.sessions.ended_at IS
    'When it ended for engagement: after a time-out the last sign of life, after a lost socket its disconnect less the silence before it.';
COMMENT ON COLUMN analytics.sessions.duration_ms IS
    'Milliseconds from started_at to ended_at, background included.';
COMMENT ON COLUMN analytics.sessions.shown_until IS
    'When presence stopped showing it: after a time-out the deadline, else as ended_at.';
COMMENT ON COLUMN analytics.sessions.user_id IS 'User, as the token names them.';
COMMENT ON COLUMN analytics.sessions.device IS 'Device of the user.';
COMMENT ON COLUMN analytics.sessions.views IS 'Views in the session.';
COMMENT ON COLUMN analytics.sessions.visits IS 'Visits in the session.';
COMMENT ON COLUMN analytics.sessions.foreground_ms IS
    'Milliseconds in the foreground: dwell of its visits, a lower bound if ended_in_silence.';
COMMENT ON COLUMN analytics.sessions.is_bounce IS 'The session had exactly one view.';
COMMENT ON COLUMN analytics.sessions.entry_screen IS
    'Screen of its first view; NULL if that had none, or there was no view.';
COMMENT ON COLUMN analytics.sessions.exit_screen IS
    'Screen of its last view; NULL if that had none, or there was no view.';
COMMENT ON COLUMN analytics.sessions.ended_by IS
    'logged_out, timed_out, disconnected, opted_out, erased or evicted.';
COMMENT ON COLUMN analytics.sessions.ended_in_silence IS
    'ended_by is timed_out or disconnected: the phone was not heard of again.';
COMMENT ON COLUMN analytics.sessions.app_version IS 'Version of the app; NULL unknown.';
COMMENT ON COLUMN analytics.sessions.device_info IS
    'The device as the app describes it; NULL unknown.';
COMMENT ON COLUMN analytics.sessions.platform IS 'Platform as the app names it; NULL unknown.';

-- The tail of quarter-hours that are not rolled up yet comes from the samples.
CREATE VIEW analytics.concurrency AS
SELECT
    quarter,
    samples,
    foreground_sum::double precision / samples AS mean_foreground,
    background_sum::double precision / samples AS mean_background,
    (foreground_sum + background_sum)::double precision / samples AS mean_online,
    peak_online,
    peak_online_at,
    peak_foreground,
    peak_foreground_at,
    complete
FROM (
    SELECT quarter, samples, foreground_sum, background_sum, peak_online, peak_online_at,
           peak_foreground, peak_foreground_at, true AS complete
    FROM concurrency_quarters
    WHERE quarter < (SELECT through FROM rollup_progress WHERE rollup = 'quarters')
    UNION ALL
    SELECT
        date_bin('15 minutes', at, timestamptz 'epoch'),
        count(*)::integer,
        sum(foreground)::bigint,
        sum(background)::bigint,
        max(foreground + background),
        (array_agg(at ORDER BY foreground + background DESC, at))[1],
        max(foreground),
        (array_agg(at ORDER BY foreground DESC, at))[1],
        false
    FROM (
        SELECT at, sum(foreground) AS foreground, sum(background) AS background
        FROM concurrency_samples
        WHERE at >= coalesce(
                (SELECT through FROM rollup_progress WHERE rollup = 'quarters'), '-infinity'
            )
          AND at <= (SELECT min(log_time) FROM stream_offsets)
        GROUP BY at
        HAVING count(*) = (SELECT partitions FROM deployment)
    ) AS instants
    GROUP BY 1
) AS quarters;

COMMENT ON VIEW analytics.concurrency IS
    'Users online at once, counted at every multiple of 10 s and summed up by quarter-hour. Instants at which not every partition was counted, or inside an outage of our own, are left out. Kept 400 days.';
COMMENT ON COLUMN analytics.concurrency.quarter IS 'Start of the quarter-hour.';
COMMENT ON COLUMN analytics.concurrency.samples IS
    'Instants counted: 90 in a whole quarter-hour; fewer after an outage or while it runs. Additive.';
COMMENT ON COLUMN analytics.concurrency.mean_foreground IS
    'Mean number of users in the foreground. Not additive: weight it by samples.';
COMMENT ON COLUMN analytics.concurrency.mean_background IS
    'Mean number of users in the background. Not additive: weight it by samples.';
COMMENT ON COLUMN analytics.concurrency.mean_online IS
    'Mean number of users online (foreground or background). Not additive: weight it by samples.';
COMMENT ON COLUMN analytics.concurrency.peak_online IS
    'Most users online at one of the instants. Not additive: take the maximum.';
COMMENT ON COLUMN analytics.concurrency.peak_online_at IS 'The first instant that had it.';
COMMENT ON COLUMN analytics.concurrency.peak_foreground IS
    'Most users in the foreground at one of the instants. Not additive: take the maximum.';
COMMENT ON COLUMN analytics.concurrency.peak_foreground_at IS 'The first instant that had it.';
COMMENT ON COLUMN analytics.concurrency.complete IS
    'The quarter-hour is over for every partition and rolled up; false: it is still counted.';

CREATE VIEW analytics.daily_active_users AS
SELECT
    day,
    active AS active_users,
    new AS new_users,
    active - new AS returning_users,
    weekly_active AS weekly_active_users,
    monthly_active AS monthly_active_users,
    active::double precision / nullif(monthly_active, 0) AS stickiness
FROM active_user_days;

COMMENT ON VIEW analytics.daily_active_users IS
    'Users who were in the foreground on each complete day of the reporting zone. Exact counts. Kept 400 days. Days before a change of ROLLCALL_REPORTING_TIME_ZONE stay days of the zone before.';
COMMENT ON COLUMN analytics.daily_active_users.day IS 'Day of the reporting zone.';
COMMENT ON COLUMN analytics.daily_active_users.active_users IS
    'Different users in the foreground at some instant of the day. Not additive.';
COMMENT ON COLUMN analytics.daily_active_users.new_users IS
    'Those of them who had never been before. Additive.';
COMMENT ON COLUMN analytics.daily_active_users.returning_users IS
    'Those of them who had been before: active_users - new_users. Not additive.';
COMMENT ON COLUMN analytics.daily_active_users.weekly_active_users IS
    'Different users active on the 7 days that end with this one. Not additive.';
COMMENT ON COLUMN analytics.daily_active_users.monthly_active_users IS
    'Different users active on the 30 days that end with this one. Not additive.';
COMMENT ON COLUMN analytics.daily_active_users.stickiness IS
    'active_users / monthly_active_users, 0 to 1: how many of the month''s users came on the day. Not additive.';

-- What `rollcall migrate --analyst-role` grants: the aggregates, and on request what is about people.
CREATE FUNCTION grant_analytics(analyst text, with_people boolean) RETURNS void
    LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('GRANT USAGE ON SCHEMA analytics TO %I', analyst);
    EXECUTE format('GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA analytics TO %I', analyst);
    EXECUTE format(
        'GRANT SELECT ON analytics.screen_engagement_hourly, analytics.screen_engagement_daily, '
        'analytics.screen_flows_daily, analytics.concurrency, analytics.daily_active_users TO %I',
        analyst
    );
    IF with_people THEN
        EXECUTE format('GRANT SELECT ON analytics.visits, analytics.sessions TO %I', analyst);
    END IF;
END
$$;
