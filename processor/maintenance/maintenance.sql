-- Every statement of maintenance, by name (schemas/database/named_queries.py reads them). Each transaction is
-- REPEATABLE READ: as_of, the windows and the notes of what came late are of one instant.

-- name: configure
-- A runner that is frozen keeps its lock no longer than the first two; and whoever waits for a table
-- makes everybody queue behind them, the processor included.
SELECT set_config('idle_in_transaction_session_timeout', '60s', false),
       set_config('idle_session_timeout', '60s', false),
       set_config('lock_timeout', '500ms', false),
       set_config('statement_timeout', '600s', false),
       set_config('TimeZone', 'UTC', false)

-- name: acquire
-- Only one processor maintains: whether it is this one.
SELECT pg_try_advisory_lock(%s)

-- name: position
-- Log time up to which every partition is stored (NULL if one has nothing), and how far the rollups
-- are (NULL before the first).
SELECT
    (SELECT CASE WHEN bool_and(log_time IS NOT NULL) THEN min(log_time) END FROM stream_offsets),
    (SELECT through FROM rollup_progress WHERE rollup = 'quarters'),
    (SELECT through FROM rollup_progress WHERE rollup = 'hours'),
    (SELECT through FROM rollup_progress WHERE rollup = 'days')

-- name: shared_installations
-- Ids of installations under which a user began a session in the last hour of log time, and another
-- one within a day, and neither has logged out. A name that is what the phone says of itself is no id. Counts the first 200,000 of those who began.
WITH until AS (SELECT min(log_time) AS at FROM stream_offsets),
begun AS MATERIALIZED (
    SELECT changes.device, changes.user_id
    FROM until JOIN changes ON changes.at > until.at - interval '1 hour'
    JOIN presence USING (user_id)
    WHERE changes.reason = 'started' AND changes.device <> 'default'
      AND CASE
          WHEN presence.devices IS NULL
          THEN presence.device = changes.device AND NOT presence.signed_out
               AND presence.device_info IS DISTINCT FROM changes.device
          ELSE presence.devices @> jsonb_build_array(
              jsonb_build_object('device', changes.device, 'signed_out', false))
               AND NOT presence.devices @> jsonb_build_array(
              jsonb_build_object('device', changes.device, 'device_info', changes.device))
      END
    LIMIT 200000
)
SELECT count(DISTINCT begun.device) FROM begun CROSS JOIN until
WHERE EXISTS (
    SELECT FROM changes AS other JOIN presence USING (user_id)
    WHERE other.device = begun.device AND other.reason = 'started'
      AND other.user_id <> begun.user_id AND other.at > until.at - interval '1 day'
      AND CASE
          WHEN presence.devices IS NULL
          THEN presence.device = begun.device AND NOT presence.signed_out
          ELSE presence.devices @> jsonb_build_array(
              jsonb_build_object('device', begun.device, 'signed_out', false))
      END
)

-- name: today
-- By the clock that is furthest behind: PostgreSQL's, the log's, or that of the rollups, so that
-- nothing goes that is still to be rolled up, and a broker whose clock runs ahead destroys nothing.
-- No row: there is nothing yet.
SELECT (
    least(
        now(), min(through),
        (SELECT CASE WHEN bool_and(log_time IS NOT NULL) THEN min(log_time) END
         FROM stream_offsets)
    ) AT TIME ZONE 'UTC'
)::date
FROM rollup_progress
HAVING count(*) = 3

-- name: note_min_group_size
-- What the API and the views read.
INSERT INTO small_groups (min_group_size) VALUES (%s)
ON CONFLICT (only_row) DO UPDATE SET min_group_size = EXCLUDED.min_group_size
WHERE small_groups.min_group_size <> EXCLUDED.min_group_size

-- name: make_partitions
-- Days that events will need soon.
SELECT make_daily_partitions(%s)

-- name: drop_partitions
-- Days of a table that are older than it keeps.
SELECT drop_daily_partitions(%s, %s, %s)

-- name: delete_before
-- Some rows of a table that are older than it keeps.
SELECT delete_before(%s, %s, %s, %s)

-- name: note_kept
-- From when on a table has all its rows.
INSERT INTO retention_progress (table_name, kept_from) VALUES (%s, %s::date::timestamptz)
ON CONFLICT (table_name) DO UPDATE SET kept_from = EXCLUDED.kept_from
WHERE retention_progress.kept_from < EXCLUDED.kept_from

-- name: remove_users
-- Users who are offline and were not seen since that day; how many. Rows that the processor has are
-- left for the next run, so that this never waits for it. By the index on changed_at: nobody who is
-- offline was seen after their last change.
WITH unseen AS (
    SELECT user_id FROM presence
    WHERE changed_at < %(before)s::date::timestamptz AND state = 'offline'
      AND (last_active IS NULL OR last_active < %(before)s::date::timestamptz)
    ORDER BY changed_at LIMIT %(most)s
    FOR UPDATE SKIP LOCKED
), removed AS (
    DELETE FROM presence USING unseen WHERE presence.user_id = unseen.user_id
    RETURNING presence.user_id
), heard AS (
    DELETE FROM signs_of_life USING unseen WHERE signs_of_life.user_id = unseen.user_id
)
SELECT count(*) FROM removed

-- name: delete_unused_keys
-- Neither made nor used since that day: whether they could still be used or not.
DELETE FROM api_keys WHERE id IN (
    SELECT id FROM api_keys
    WHERE greatest(created_at, last_used_at) < %s::date::timestamptz LIMIT %s
)
RETURNING id

-- name: delete_ended_links
-- By which nobody sees anything any more.
DELETE FROM share_links WHERE id IN (SELECT id FROM share_links WHERE expires_at <= now() LIMIT %s)
RETURNING id

-- name: delete_ended_pages
-- Users of audiences whose delivery failed so long ago that it cannot be resumed.
DELETE FROM audience_pages WHERE (delivery, page) IN (
    SELECT p.delivery, p.page FROM audience_pages p JOIN audience_deliveries d ON d.id = p.delivery
    WHERE d.ended_at <= now() - %s * interval '1 hour'
       OR d.ended_at IS NOT NULL AND d.created_at <= now() - %s * interval '1 hour'
    LIMIT %s
)
RETURNING page

-- name: delete_names
-- Names of minutes that no event can reach any more.
DELETE FROM screen_names WHERE minute < (
    SELECT CASE WHEN bool_and(log_time IS NOT NULL) THEN min(log_time) END FROM stream_offsets
) - interval '2 minutes'

-- name: zones_in_force
-- The reporting zone in each partition's policy; a policy that is older than the setting means UTC.
SELECT DISTINCT coalesce(policy ->> 'reporting_time_zone', 'UTC')
FROM stream_offsets WHERE policy IS NOT NULL

-- name: reporting_zone
-- Whose days are counted.
SELECT time_zone FROM reporting_zone

-- name: adopt_zone
-- The zone whose days are counted from now on.
INSERT INTO reporting_zone (time_zone, since)
SELECT %(zone)s, min(log_time) FROM stream_offsets
ON CONFLICT (only_row) DO UPDATE SET time_zone = EXCLUDED.time_zone, since = EXCLUDED.since

-- name: restart_days
-- From the first quarter-hour that there is. What the days hold until they are made again is hidden
-- by the progress.
UPDATE rollup_progress SET through = start_of_day(
    (coalesce((SELECT min(quarter) FROM screen_quarters), through) AT TIME ZONE %(zone)s)::date,
    %(zone)s
)
WHERE rollup = 'days'
RETURNING (through AT TIME ZONE %(zone)s)::date

-- name: forget_screen_days
-- Days that are older than rollups are kept.
DELETE FROM screen_days WHERE day < %(day)s

-- name: forget_transition_days
-- Days that are older than rollups are kept.
DELETE FROM transition_days WHERE day < %(day)s

-- name: forget_late_days
-- Of days that another zone has made anew.
DELETE FROM late_days

-- name: begin_quarters
-- From the one before the oldest of what there is to roll up: what a step back brings there is not late.
INSERT INTO rollup_progress (rollup, through)
SELECT 'quarters', date_bin('15 minutes', least(
    (SELECT min(minute) FROM screen_minutes),
    (SELECT min(quarter) FROM screen_transitions),
    (SELECT min(ended_at) FROM sessions),
    (SELECT min(at) FROM concurrency_samples),
    (SELECT min(log_time) FROM stream_offsets)
) - interval '15 minutes', timestamptz 'epoch')

-- name: begin_hours
-- Where hours begin to be rolled up: with the first whole one.
INSERT INTO rollup_progress (rollup, through)
SELECT 'hours', date_bin('1 hour', least(through, (SELECT min(at) FROM changes)), timestamptz 'epoch')
FROM rollup_progress WHERE rollup = 'quarters'

-- name: begin_days
-- Where days begin to be rolled up: with the first whole one.
INSERT INTO rollup_progress (rollup, through)
SELECT 'days', start_of_day(((through + interval '15 minutes') AT TIME ZONE %(zone)s)::date, %(zone)s)
FROM rollup_progress WHERE rollup = 'quarters'

-- name: advance
-- A rollup is made up to here.
UPDATE rollup_progress SET through = %(to)s WHERE rollup = %(rollup)s

-- name: held_from
-- Since when retention has left everything that this is made of; NULL: it removed nothing yet.
SELECT max(kept_from) FROM retention_progress WHERE table_name = ANY (%s)

-- name: quarters_ready
-- Quarter-hours before it are over by half an hour for every partition.
SELECT date_bin('15 minutes', %(as_of)s - interval '30 minutes', timestamptz 'epoch')

-- name: is_hour_passed_again
-- Log time stepped back to before its end, from after its beginning, and its sketches are made.
SELECT EXISTS (
    SELECT FROM clock_steps
    WHERE from_time > %(hour)s AND to_time < %(hour)s + interval '1 hour'
) AND EXISTS (SELECT FROM rollup_progress WHERE rollup = 'hours' AND through > %(hour)s)

-- name: clear_screens
-- Before quarters are rolled up again.
DELETE FROM screen_quarters WHERE quarter >= %(from)s AND quarter < %(to)s

-- name: roll_up_screens
-- Quarters from minutes.
INSERT INTO screen_quarters (
    quarter, screen, views, visits, dwell_ms, silent_dwell_ms, dwell_histogram, exits, bounces
)
SELECT date_bin('15 minutes', minute, timestamptz 'epoch'), screen, sum(views), sum(visits),
       sum(dwell_ms), sum(silent_dwell_ms),
       analytics.merge_histograms(dwell_histogram),
       sum(exits), sum(bounces)
FROM screen_minutes
WHERE minute >= %(from)s AND minute < %(to)s
GROUP BY 1, 2

-- name: clear_screen_hours
-- Before hours are rolled up again.
DELETE FROM screen_hours
WHERE hour >= date_bin('1 hour', %(from)s, timestamptz 'epoch') AND hour < %(to)s

-- name: roll_up_screen_hours
-- Of the quarter-hours so far; those that are to be made again count until they are.
INSERT INTO screen_hours (
    hour, screen, views, visits, dwell_ms, silent_dwell_ms, dwell_histogram, exits, bounces
)
SELECT date_bin('1 hour', quarter, timestamptz 'epoch'), screen, sum(views), sum(visits),
       sum(dwell_ms), sum(silent_dwell_ms), analytics.merge_histograms(dwell_histogram),
       sum(exits), sum(bounces)
FROM screen_quarters
WHERE quarter >= date_bin('1 hour', %(from)s, timestamptz 'epoch')
  AND quarter < date_bin('1 hour', %(to)s - interval '1 minute', timestamptz 'epoch')
                + interval '1 hour'
GROUP BY 1, 2

-- name: clear_transitions
-- Before quarters are rolled up again.
DELETE FROM transition_quarters WHERE quarter >= %(from)s AND quarter < %(to)s

-- name: roll_up_transitions
-- Quarters from minutes.
INSERT INTO transition_quarters (quarter, from_screen, to_screen, transitions)
SELECT quarter, from_screen, to_screen, sum(transitions)
FROM screen_transitions
WHERE quarter >= %(from)s AND quarter < %(to)s
GROUP BY 1, 2, 3

-- name: clear_sessions
-- Before quarters are rolled up again.
DELETE FROM session_quarters WHERE quarter >= %(from)s AND quarter < %(to)s

-- name: roll_up_sessions
-- Quarters from sessions that have ended.
WITH ended AS (
    SELECT date_bin('15 minutes', ended_at, timestamptz 'epoch') AS quarter,
           to_ms(ended_at) - to_ms(started_at) AS duration_ms,
           foreground_ms, views, ended_by IN {silent_ends} AS in_silence
    FROM sessions
    WHERE ended_at >= %(from)s AND ended_at < %(to)s
), counted AS (
    SELECT quarter, dwell_bucket(duration_ms) AS bucket, count(*) AS n FROM ended GROUP BY 1, 2
), histograms AS (
    SELECT quarter, array_agg(coalesce(n, 0) ORDER BY bucket) AS duration_histogram
    FROM (
        SELECT quarter, generate_series(0, max(bucket)) AS bucket FROM counted GROUP BY 1
    ) AS each
    LEFT JOIN counted USING (quarter, bucket)
    GROUP BY 1
)
INSERT INTO session_quarters (
    quarter, sessions, duration_ms, duration_histogram, foreground_ms, views, bounces, timed_out
)
SELECT quarter, count(*), sum(duration_ms), duration_histogram, sum(foreground_ms), sum(views),
       count(*) FILTER (WHERE views = 1), count(*) FILTER (WHERE in_silence)
FROM ended JOIN histograms USING (quarter)
GROUP BY quarter, duration_histogram

-- name: has_lost_rows
-- An erasure took rows of that time (promise 8): what they were rolled up to stays.
SELECT EXISTS (SELECT FROM erased_quarters WHERE quarter >= %(from)s AND quarter < %(to)s)

-- name: clear_concurrency
-- Before they are rolled up again.
DELETE FROM concurrency_quarters WHERE quarter >= %(from)s AND quarter < %(to)s

-- name: roll_up_concurrency
-- Quarters from samples.
WITH instants AS (
    SELECT at, sum(foreground) AS foreground, sum(background) AS background
    FROM concurrency_samples
    WHERE at >= %(from)s AND at < %(to)s
    GROUP BY at
    HAVING count(*) = (SELECT partitions FROM deployment)
)
INSERT INTO concurrency_quarters (
    quarter, samples, foreground_sum, background_sum, peak_online, peak_online_at,
    peak_foreground, peak_foreground_at
)
SELECT date_bin('15 minutes', at, timestamptz 'epoch'), count(*), sum(foreground), sum(background),
       max(foreground + background),
       (array_agg(at ORDER BY foreground + background DESC, at))[1],
       max(foreground), (array_agg(at ORDER BY foreground DESC, at))[1]
FROM instants
GROUP BY 1

-- name: delete_late_notes
-- Those that this transaction sees: what comes later than its snapshot keeps its note.
DELETE FROM late_quarters WHERE quarter >= %(from)s AND quarter < %(to)s

-- name: oldest_late_quarter
-- What is to be rolled up again first.
SELECT min(quarter) FROM late_quarters WHERE quarter < %(through)s

-- name: note_late_day
-- It gets rolled up again.
INSERT INTO late_days (day)
SELECT (%(from)s AT TIME ZONE time_zone)::date
FROM reporting_zone, rollup_progress
WHERE rollup = 'days'
  AND (%(from)s AT TIME ZONE time_zone)::date < (through AT TIME ZONE time_zone)::date
ON CONFLICT DO NOTHING

-- name: visitors
-- Everyone who began a visit on a screen, once each, in an order that is always the same.
WITH begun AS (
    SELECT DISTINCT screen, user_id FROM changes
    WHERE at >= %(from)s AND at < %(to)s
      AND state = 'foreground' AND reason IN ('started', 'resumed', 'navigated')
), windows AS (
    SELECT DISTINCT screen FROM screen_quarters WHERE quarter >= %(from)s AND quarter < %(to)s
)
SELECT DISTINCT
    CASE
        WHEN begun.screen IS NULL THEN '(none)'
        -- As in windows: those beyond the cap, and names of ours.
        WHEN windows.screen IS NULL AND EXISTS (SELECT FROM windows WHERE screen = '(other)')
        THEN '(other)'
        ELSE app_screen(begun.screen)
    END COLLATE "C" AS name,
    user_id
FROM begun LEFT JOIN windows USING (screen)
ORDER BY name, user_id

-- name: clear_hour
-- Before the users of an hour are sketched again.
DELETE FROM screen_hour_users WHERE hour = %(hour)s

-- name: store_hour
-- The users of a screen in an hour.
INSERT INTO screen_hour_users (hour, screen, users, sketch_month, sketch) VALUES (%s, %s, %s, %s, %s)

-- name: clear_screen_versions
-- Before an hour is counted again.
DELETE FROM screen_version_hours WHERE hour = %(hour)s

-- name: roll_up_screen_versions
-- An hour from the visits and sessions that ended in it. Spans are found by when presence stopped
-- showing them, which is never before they ended, and minutes after it unless there was an outage.
WITH ends AS MATERIALIZED (
    SELECT screen, app_version, lower(platform) AS platform, user_id,
           to_ms(ended_at) - to_ms(started_at) AS dwell_ms, ended_by IN {silent_ends} AS in_silence,
           is_view::integer AS views, 1 AS visits, 0 AS exits, 0 AS bounces
    FROM spans
    WHERE shown_until >= %(hour)s AND state = 'foreground'
      AND ended_at >= %(hour)s AND ended_at < %(hour)s + interval '1 hour'
    UNION ALL
    SELECT exit_screen, app_version, lower(platform), user_id, 0, false, 0, 0, 1, (views = 1)::integer
    FROM sessions
    WHERE ended_at >= %(hour)s AND ended_at < %(hour)s + interval '1 hour' AND views > 0
), called AS MATERIALIZED (
    -- No version or platform is called as ours are, and no screen.
    SELECT coalesce(app_screen(screen), '(none)') COLLATE "C" AS screen,
           coalesce(app_screen(app_version), '(none)') COLLATE "C" AS app_version,
           coalesce(app_screen(platform), '(none)') COLLATE "C" AS platform,
           user_id, dwell_ms, in_silence, views, visits, exits, bounces
    FROM ends
), screens AS (
    SELECT screen FROM called GROUP BY screen ORDER BY sum(visits) DESC, screen LIMIT %(screens)s
), versions AS (
    SELECT app_version FROM called
    GROUP BY app_version ORDER BY sum(visits) DESC, app_version LIMIT %(versions)s
), platforms AS (
    SELECT platform FROM called
    GROUP BY platform ORDER BY sum(visits) DESC, platform LIMIT %(platforms)s
), named AS MATERIALIZED (
    SELECT coalesce(screens.screen, '(other)') AS screen,
           coalesce(versions.app_version, '(other)') AS app_version,
           coalesce(platforms.platform, '(other)') AS platform,
           user_id, dwell_ms, in_silence, views, visits, exits, bounces
    FROM called
    LEFT JOIN screens USING (screen)
    LEFT JOIN versions USING (app_version)
    LEFT JOIN platforms USING (platform)
), counted AS (
    SELECT screen, app_version, platform, dwell_bucket(dwell_ms) AS bucket, count(*)::integer AS n
    FROM named WHERE visits > 0
    GROUP BY 1, 2, 3, 4
), histograms AS (
    SELECT screen, app_version, platform,
           array_agg(coalesce(n, 0) ORDER BY bucket) AS dwell_histogram
    FROM (
        SELECT screen, app_version, platform, generate_series(0, max(bucket)) AS bucket
        FROM counted GROUP BY 1, 2, 3
    ) AS each
    LEFT JOIN counted USING (screen, app_version, platform, bucket)
    GROUP BY 1, 2, 3
), sums AS (
    SELECT screen, app_version, platform, sum(views) AS views, sum(visits) AS visits,
           sum(dwell_ms) AS dwell_ms,
           coalesce(sum(dwell_ms) FILTER (WHERE in_silence), 0) AS silent_dwell_ms,
           sum(exits) AS exits, sum(bounces) AS bounces, count(DISTINCT user_id) AS users
    FROM named GROUP BY 1, 2, 3
)
INSERT INTO screen_version_hours (
    hour, screen, app_version, platform, views, visits, dwell_ms, silent_dwell_ms, dwell_histogram,
    exits, bounces, users
)
SELECT %(hour)s, screen, app_version, platform, views, visits, dwell_ms, silent_dwell_ms,
       coalesce(dwell_histogram, '{}'), exits, bounces, users
FROM sums LEFT JOIN histograms USING (screen, app_version, platform)

-- name: sketch_key
-- That of a month, if it has one still.
SELECT key FROM sketch_keys WHERE month = %(month)s

-- name: make_sketch_key
-- Made here, of more than 256 random bits: a parameter could be written to the server's log.
INSERT INTO sketch_keys (month, key)
VALUES (%(month)s, sha256(
    uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())
))
ON CONFLICT DO NOTHING

-- name: destroy_sketch_keys
-- Of months that are over for changes, down to the last row.
DELETE FROM sketch_keys
WHERE (month + interval '1 month') AT TIME ZONE 'UTC' <= (
        SELECT kept_from FROM retention_progress WHERE table_name = 'changes'
    )
  AND NOT EXISTS (
        SELECT FROM changes
        WHERE at >= month::timestamp AT TIME ZONE 'UTC'
          AND at < (month + interval '1 month') AT TIME ZONE 'UTC'
    )
RETURNING month

-- name: unkeyed_step
-- Sketches without a key go with their changes: until when they are gone, and the end of the next
-- step, of a day at most. No row: there is nothing to do.
SELECT dropped, least(dropped + interval '1 day', held_from)
FROM (
    SELECT held.kept_from AS held_from, coalesce(done.kept_from, oldest.hour) AS dropped
    FROM retention_progress AS held
    LEFT JOIN retention_progress AS done ON done.table_name = 'unkeyed_sketches'
    CROSS JOIN (SELECT min(hour) AS hour FROM screen_hour_users) AS oldest
    WHERE held.table_name = 'changes'
) AS step
WHERE dropped < held_from

-- name: drop_unkeyed_hours
-- Sketches without a key, of hours whose changes have gone, become those of nobody.
UPDATE screen_hour_users SET sketch = %(nobody)s
WHERE hour >= %(from)s AND hour < %(to)s AND sketch_month IS NULL

-- name: drop_unkeyed_days
-- Those that have ended by then in every zone, from the last one of the step before.
UPDATE screen_days SET sketch = NULL
WHERE day >= (%(from)s AT TIME ZONE 'UTC')::date - 3 AND day < (%(to)s AT TIME ZONE 'UTC')::date - 1
  AND sketch_month IS NULL AND sketch IS NOT NULL

-- name: note_unkeyed_dropped
-- How far sketches without a key have been dropped.
INSERT INTO retention_progress (table_name, kept_from) VALUES ('unkeyed_sketches', %(to)s)
ON CONFLICT (table_name) DO UPDATE SET kept_from = EXCLUDED.kept_from

-- name: hours_under_other_keys
-- Hours of a day whose sketches cannot be united with those under its key.
SELECT DISTINCT hour FROM screen_hour_users
WHERE hour >= %(from)s AND hour < %(to)s AND sketch_month IS DISTINCT FROM %(month)s
ORDER BY hour

-- name: users_of_hours
-- The sketches that a day is made of.
SELECT screen, users, sketch_month, sketch FROM screen_hour_users
WHERE hour >= %(from)s AND hour < %(to)s AND hour <> ALL (%(but)s::timestamptz[])
ORDER BY screen, hour

-- name: users_of_day
-- What a day has counted, before it is made anew.
SELECT screen, users, users_at_most, sketch_month, sketch FROM screen_days
WHERE day = %(day)s AND users > 0 ORDER BY screen

-- name: day_to_do
-- The oldest complete day to roll up: one that came late, or the next. Its first quarter-hour and
-- that of the day after.
SELECT day, start_of_day(day, time_zone), start_of_day(day + 1, time_zone), is_late
FROM reporting_zone, LATERAL (
    SELECT day, true FROM late_days
    UNION ALL
    SELECT (through AT TIME ZONE time_zone)::date, false FROM rollup_progress WHERE rollup = 'days'
) AS candidates (day, is_late)
WHERE start_of_day(day + 1, time_zone) <= (
        SELECT through FROM rollup_progress WHERE rollup = 'quarters'
    )
  AND date_bin('1 hour', start_of_day(day + 1, time_zone), timestamptz 'epoch') <= (
        SELECT through FROM rollup_progress WHERE rollup = 'hours'
    )
ORDER BY day, is_late DESC LIMIT 1

-- name: clear_screen_day
-- Before a day is rolled up again.
DELETE FROM screen_days WHERE day = %(day)s

-- name: roll_up_screen_day
-- A day from what was rolled up of it.
INSERT INTO screen_days (
    day, screen, views, visits, dwell_ms, silent_dwell_ms, dwell_histogram, exits, bounces,
    users, users_at_most, sketch_month, sketch
)
SELECT %(day)s, screen, coalesce(views, 0), coalesce(visits, 0), coalesce(dwell_ms, 0),
       coalesce(silent_dwell_ms, 0), coalesce(dwell_histogram, '{}'), coalesce(exits, 0),
       coalesce(bounces, 0), coalesce(users, 0), users_at_most, month, sketch
FROM (
    SELECT screen, sum(views) AS views, sum(visits) AS visits, sum(dwell_ms) AS dwell_ms,
           sum(silent_dwell_ms) AS silent_dwell_ms,
           analytics.merge_histograms(dwell_histogram) AS dwell_histogram,
           sum(exits) AS exits, sum(bounces) AS bounces
    FROM screen_quarters
    WHERE quarter >= %(from)s AND quarter < %(to)s
    GROUP BY screen
) AS windows
FULL JOIN unnest(
    %(screens)s::text[], %(users)s::bigint[], %(users_at_most)s::bigint[], %(months)s::date[],
    %(sketches)s::bytea[]
) AS visitors (screen, users, users_at_most, month, sketch) USING (screen)

-- name: clear_transition_day
-- Before a day is rolled up again.
DELETE FROM transition_days WHERE day = %(day)s

-- name: roll_up_transition_day
-- A day from its quarters.
INSERT INTO transition_days (day, from_screen, to_screen, transitions)
SELECT %(day)s, from_screen, to_screen, sum(transitions)
FROM transition_quarters
WHERE quarter >= %(from)s AND quarter < %(to)s
GROUP BY 2, 3

-- name: roll_up_active_users
-- Of the day; if it came late, of those after it as well whose weeks and months it is in. Not of
-- days whose month is not whole any more.
INSERT INTO active_user_days (day, active, new, weekly_active, monthly_active)
SELECT of_day, count(*) FILTER (WHERE last = of_day), count(*) FILTER (WHERE is_new),
       count(*) FILTER (WHERE last > of_day - 7), count(user_id)
FROM (
    SELECT of_day FROM (
        SELECT %(day)s::date
        UNION
        SELECT day FROM active_user_days
        WHERE %(is_late)s AND day > %(day)s AND day < %(day)s::date + 30
    ) AS days (of_day)
    -- An erasure took rows of its month: what was counted with them stays.
    WHERE NOT (EXISTS (SELECT FROM active_user_days WHERE day = of_day) AND EXISTS (
        SELECT FROM erased_days WHERE day > of_day - 30 AND day <= of_day
    )) AND NOT EXISTS (
        SELECT FROM retention_progress
        WHERE table_name = 'user_days' AND (kept_from AT TIME ZONE 'UTC')::date > of_day - 29
    )
    OFFSET 0
) AS whole
LEFT JOIN LATERAL (
    SELECT user_id, max(day) AS last, bool_or(is_new AND day = of_day) AS is_new
    FROM user_days
    WHERE day > of_day - 30 AND day <= of_day
    GROUP BY user_id
) AS seen ON true
GROUP BY of_day
ON CONFLICT (day) DO UPDATE SET
    active = EXCLUDED.active, new = EXCLUDED.new, weekly_active = EXCLUDED.weekly_active,
    monthly_active = EXCLUDED.monthly_active

-- name: delete_late_day
-- It has been rolled up again.
DELETE FROM late_days WHERE day = %(day)s
