-- What the audit copies to hold rollups against the rows that they are made of (schemas/database/named_queries.py reads
-- it): in the snapshot of snapshot.sql. Rows come by period: the milliseconds at which a quarter-hour or an hour begins,
-- or days since 1970.

-- name: progress
-- Up to where each kind is made, once all are.
SELECT rollup, to_ms(through) FROM rollup_progress

-- name: zone
-- Whose days are counted.
SELECT time_zone FROM reporting_zone

-- name: first_active_day
-- The first day of which active users were counted.
SELECT min(day) - date '1970-01-01' FROM active_user_days

-- name: partitions
-- How many samples an instant has.
SELECT partitions FROM deployment

-- name: late_quarters
-- Quarter-hours that are to be made again.
SELECT DISTINCT to_ms(quarter) FROM late_quarters

-- name: late_days
-- Days that are to be made again.
SELECT day - date '1970-01-01' FROM late_days

-- name: erased_quarters
-- Quarter-hours that an erasure took rows of.
SELECT to_ms(quarter) FROM erased_quarters WHERE quarter >= from_ms(%(since)s)

-- name: erased_days
-- Days that an erasure took rows of.
SELECT day - date '1970-01-01' FROM erased_days WHERE day >= date '1970-01-01' + %(day)s - 30

-- name: minutes
-- What quarter-hours, hours and days of screens are made of.
SELECT to_ms(date_bin('15 minutes', minute, timestamptz 'epoch')), screen, views, visits, dwell_ms,
       silent_dwell_ms, exits, bounces, dwell_histogram
FROM screen_minutes WHERE minute >= from_ms(%(quarter)s) AND minute < from_ms(%(quarters_to)s)
ORDER BY 1

-- name: transitions
-- What quarter-hours and days of transitions are made of.
SELECT to_ms(quarter), from_screen, to_screen, transitions
FROM screen_transitions WHERE quarter >= from_ms(%(quarter)s) AND quarter < from_ms(%(quarters_to)s)
ORDER BY 1

-- name: ended_sessions
-- What quarter-hours of sessions are made of.
SELECT to_ms(date_bin('15 minutes', ended_at, timestamptz 'epoch')), to_ms(started_at),
       to_ms(ended_at), ended_by::text, foreground_ms, views
FROM sessions WHERE ended_at >= from_ms(%(quarter)s) AND ended_at < from_ms(%(quarters_to)s)
ORDER BY 1

-- name: samples
-- What quarter-hours of concurrency are made of.
SELECT to_ms(date_bin('15 minutes', at, timestamptz 'epoch')), to_ms(at), foreground, background
FROM concurrency_samples WHERE at >= from_ms(%(quarter)s) AND at < from_ms(%(quarters_to)s)
ORDER BY 1, at

-- name: visits
-- What hours by version and platform are made of: of each user together.
SELECT to_ms(date_bin('1 hour', ended_at, timestamptz 'epoch')), user_id, 'visit', screen,
       app_version, lower(platform), to_ms(ended_at) - to_ms(started_at), ended_by::text,
       is_view::int
FROM spans
WHERE shown_until >= from_ms(%(hour)s) AND state = 'foreground'
  AND ended_at >= from_ms(%(hour)s) AND ended_at < from_ms(%(hours_to)s)
UNION ALL
SELECT to_ms(date_bin('1 hour', ended_at, timestamptz 'epoch')), user_id, 'session', exit_screen,
       app_version, lower(platform), 0, ended_by::text, views
FROM sessions
WHERE views > 0 AND ended_at >= from_ms(%(hour)s) AND ended_at < from_ms(%(hours_to)s)
ORDER BY 1, 2

-- name: visitors_of_hours
-- How many different users began a visit on each screen in each hour.
SELECT to_ms(date_bin('1 hour', at, timestamptz 'epoch')), screen, count(DISTINCT user_id)
FROM changes
WHERE at >= from_ms(%(hour)s) AND at < from_ms(%(hours_to)s)
  AND state = 'foreground' AND reason IN ('started', 'resumed', 'navigated')
GROUP BY 1, 2 ORDER BY 1

-- name: visitors_of_days
-- How many did on each day, by its beginning.
SELECT since, screen, count(DISTINCT user_id)
FROM unnest(%(days_from)s::bigint[], %(days_to)s::bigint[]) AS span (since, until)
JOIN changes ON at >= from_ms(since) AND at < from_ms(until)
WHERE state = 'foreground' AND reason IN ('started', 'resumed', 'navigated')
GROUP BY since, screen ORDER BY since

-- name: active
-- How many different users were active on each of these days, new, and in the 7 and 30 days up to it.
SELECT d, count(*) FILTER (WHERE day = date '1970-01-01' + d),
       count(*) FILTER (WHERE day = date '1970-01-01' + d AND is_new),
       count(DISTINCT user_id) FILTER (WHERE day > date '1970-01-01' + d - 7),
       count(DISTINCT user_id)
FROM unnest(%(new_days)s::int[]) AS d
JOIN user_days ON day > date '1970-01-01' + d - 30 AND day <= date '1970-01-01' + d
GROUP BY d ORDER BY d

-- name: screen_quarters
-- Engagement by the quarter-hour, of the days that are compared too.
SELECT to_ms(quarter), screen, views, visits, dwell_ms, silent_dwell_ms, exits, bounces,
       dwell_histogram
FROM screen_quarters WHERE quarter >= from_ms(%(since)s) AND quarter < from_ms(%(quarters_to)s)
ORDER BY 1

-- name: transition_quarters
-- Transitions by the quarter-hour, of the days that are compared too.
SELECT to_ms(quarter), from_screen, to_screen, transitions
FROM transition_quarters WHERE quarter >= from_ms(%(since)s) AND quarter < from_ms(%(quarters_to)s)
ORDER BY 1

-- name: session_quarters
-- Sessions by the quarter-hour in which they ended.
SELECT to_ms(quarter), sessions, duration_ms, foreground_ms, views, bounces, timed_out,
       duration_histogram
FROM session_quarters WHERE quarter >= from_ms(%(quarter)s) AND quarter < from_ms(%(quarters_to)s)
ORDER BY 1

-- name: concurrency_quarters
-- Users online by the quarter-hour.
SELECT to_ms(quarter), samples, foreground_sum, background_sum, peak_online, to_ms(peak_online_at),
       peak_foreground, to_ms(peak_foreground_at)
FROM concurrency_quarters
WHERE quarter >= from_ms(%(quarter)s) AND quarter < from_ms(%(quarters_to)s)
ORDER BY 1

-- name: screen_hours
-- Engagement by the hour.
SELECT to_ms(hour), screen, views, visits, dwell_ms, silent_dwell_ms, exits, bounces,
       dwell_histogram
FROM screen_hours WHERE hour >= from_ms(%(quarter)s) AND hour < from_ms(%(quarters_to)s)
ORDER BY 1

-- name: screen_version_hours
-- Engagement by the hour, version and platform.
SELECT to_ms(hour), screen, app_version, platform, views, visits, dwell_ms, silent_dwell_ms, exits,
       bounces, users, dwell_histogram
FROM screen_version_hours WHERE hour >= from_ms(%(hour)s) AND hour < from_ms(%(hours_to)s)
ORDER BY 1

-- name: screen_hour_users
-- Users of screens by the hour.
SELECT to_ms(hour), screen, users FROM screen_hour_users
WHERE hour >= from_ms(%(hour)s) AND hour < from_ms(%(hours_to)s)
ORDER BY 1

-- name: screen_days
-- Engagement and users by the day.
SELECT day - date '1970-01-01', screen, views, visits, dwell_ms, silent_dwell_ms, exits, bounces,
       dwell_histogram, users, users_at_most
FROM screen_days WHERE day - date '1970-01-01' = ANY (%(days)s::int[])
ORDER BY 1

-- name: transition_days
-- Transitions by the day.
SELECT day - date '1970-01-01', from_screen, to_screen, transitions
FROM transition_days WHERE day - date '1970-01-01' = ANY (%(days)s::int[])
ORDER BY 1

-- name: active_user_days
-- Active users by the day.
SELECT day - date '1970-01-01', active, new, weekly_active, monthly_active
FROM active_user_days WHERE day - date '1970-01-01' = ANY (%(days)s::int[])
ORDER BY 1
