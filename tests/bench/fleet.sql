-- A fleet's month straight in the tables, by name (schemas/database/named_queries.py reads them): windows, samples
-- and rollups have the rows that the processor and maintenance would have written, single people
-- fewer. Numbers are like real ones in size and shape, not in sum: rollups do not add up to what
-- they are rollups of. {parent} stands for a table.

-- name: shape
-- What the other queries draw from. Weights: of an hour of the day, of a screen (few have most).
CREATE TEMP TABLE frame AS
SELECT %(as_of)s::timestamptz AS as_of, %(users)s::integer AS users, %(days)s::integer AS days,
       %(partitions)s::integer AS partitions, %(screens)s::integer AS screens,
       date_trunc('day', %(as_of)s::timestamptz) AS today,
       date_bin('15 minutes', %(as_of)s::timestamptz - interval '30 minutes', 'epoch') AS quarters,
       date_trunc('hour', date_bin('15 minutes', %(as_of)s::timestamptz - interval '30 minutes',
                                   'epoch')) AS hours;
CREATE TEMP TABLE screens AS
SELECT n, format('Screen %%s', lpad(n::text, 2, '0')) AS screen, 1.0 / n AS weight
FROM generate_series(1, %(screens)s::integer) AS n;
-- From each screen to its six neighbours, and the ends of sessions.
CREATE TEMP TABLE steps AS
SELECT a.screen AS from_screen, b.screen AS to_screen, a.weight / 6 AS weight
FROM screens a JOIN screens b ON (b.n - a.n + %(screens)s) %% %(screens)s BETWEEN 1 AND 6
UNION ALL SELECT '(start)', screen, weight / 4 FROM screens
UNION ALL SELECT screen, '(end)', weight / 4 FROM screens;
-- Histograms of the counts that a minute, a quarter-hour and a day have.
CREATE TEMP TABLE histograms AS
SELECT variant, size,
       (SELECT array_agg((size * exp(0 - ((bucket - 24 - variant) / 8.0) ^ 2))::integer
                         ORDER BY bucket) FROM generate_series(0, 60) AS bucket) AS counts
FROM generate_series(0, 7) AS variant, unnest(ARRAY[1, 30, 2000]) AS size;
CREATE FUNCTION pg_temp.busyness(at timestamptz) RETURNS double precision LANGUAGE sql IMMUTABLE
    RETURN 0.55 - 0.45 * cos(2 * pi() * (extract(epoch FROM at)::bigint %% 86400) / 86400);
CREATE TEMP TABLE sketches (n integer PRIMARY KEY, users bigint, sketch bytea)

-- name: copy_sketches
COPY sketches (n, users, sketch) FROM STDIN

-- name: seed
SELECT setseed(0.5)

-- name: daily_partitions
-- As they would be by now: made ahead of their day, dropped after their retention.
SELECT format(
    'CREATE TABLE IF NOT EXISTS %%I PARTITION OF {parent} FOR VALUES FROM (%%L) TO (%%L)',
    '{parent}_' || to_char(day, 'YYYYMMDD'), day, day + interval '1 day')
FROM frame, generate_series(today - %(kept_days)s * interval '1 day', today, '1 day') AS day

-- name: deployment
INSERT INTO deployment (topic, topic_id, partitions)
SELECT 'presence.events', gen_random_uuid(), partitions FROM frame;
INSERT INTO stream_offsets ("partition", next_offset, log_time, published_through, foreground,
                            background, policy)
SELECT p, 1000000, as_of, 1000000, users / 20 / partitions, users / 50 / partitions,
       '{"offline_after_ms": 300000, "logout_fence_ms": 30000, "reconnect_grace_ms": 200000}'
FROM frame, generate_series(0, partitions - 1) AS p;
INSERT INTO rollup_progress (rollup, through)
SELECT rollup, through
FROM frame, LATERAL (VALUES ('quarters', quarters), ('hours', hours), ('days', today))
    AS progress (rollup, through);
INSERT INTO reporting_zone (time_zone, since) SELECT 'UTC', today FROM frame

-- name: presence
-- One user in twenty in the foreground, one in fifty in the background.
INSERT INTO presence (user_id, "partition", name, state, reason, screen, changed_at, online_since,
                      last_active, device_count, device, app_version, device_info, platform, token,
                      expires_at, signed_out, first_day, active_day)
SELECT format('user-%%s', lpad(person::text, 7, '0')), person %% partitions, 'Name ' || person,
       state::presence_state, CASE WHEN is_online THEN 'navigated' ELSE 'timed_out' END::change_reason,
       CASE WHEN is_online THEN screen END, at,
       CASE WHEN is_online THEN at - interval '4 minutes' END, at,
       is_online::integer, 'device', '1.' || person %% 9 || '.' || person %% 5,
       'Phone ' || person %% 120, CASE person %% 3 WHEN 0 THEN 'ios' WHEN 1 THEN 'android' END,
       'sid:' || person, at + interval '5 minutes', false,
       (today - person %% 200 * interval '1 day')::date, at::date
FROM frame CROSS JOIN generate_series(1, users) AS person
CROSS JOIN LATERAL (SELECT CASE WHEN person %% 20 = 0 THEN 'foreground'
                                WHEN person %% 50 = 1 THEN 'background' ELSE 'offline' END AS state) AS s
CROSS JOIN LATERAL (SELECT state <> 'offline' AS is_online) AS o
CROSS JOIN LATERAL (SELECT as_of - random() * CASE WHEN is_online THEN interval '4 minutes'
                                              ELSE interval '20 days' END AS at) AS t
JOIN screens ON screens.n = 1 + person * 7 %% frame.screens

-- name: user_days
-- Two users in five on each day.
INSERT INTO user_days (day, user_id, "partition", is_new, app_version, device_info, platform)
SELECT (today - back * interval '1 day')::date, format('user-%%s', lpad(n::text, 7, '0')),
       n %% partitions, back = n %% 200, '1.' || n %% 9 || '.' || n %% 5, 'Phone ' || n %% 120,
       CASE n %% 3 WHEN 0 THEN 'ios' WHEN 1 THEN 'android' END
FROM frame, generate_series(0, days - 1) AS back, generate_series(1, users) AS n
WHERE (n * 7919 + back * 104729) %% 5 < 2;
INSERT INTO active_user_days (day, active, new, weekly_active, monthly_active)
SELECT (today - back * interval '1 day')::date, users * 2 / 5, users / 200, users * 7 / 10,
       users * 9 / 10
FROM frame, generate_series(1, days) AS back

-- name: screen_minutes
INSERT INTO screen_minutes (minute, "partition", screen, views, visits, dwell_ms, silent_dwell_ms,
                            dwell_histogram, exits, bounces)
SELECT minute, p, screen, views, views, views * 21000, views * 1500, counts, views / 5, views / 20
FROM frame, generate_series(today - interval '3 days', as_of - interval '1 minute', '1 minute')
         AS minute,
     generate_series(0, partitions - 1) AS p, screens,
     LATERAL (SELECT ceil(users / 400.0 * weight / partitions * pg_temp.busyness(minute))::integer
                     AS views) AS v
JOIN histograms ON size = 1 AND variant = v.views %% 8

-- name: screen_rollups
INSERT INTO screen_quarters (quarter, screen, views, visits, dwell_ms, silent_dwell_ms,
                             dwell_histogram, exits, bounces)
SELECT quarter, screen, views, views, views * 21000, views * 1500, counts, views / 5, views / 20
FROM frame, generate_series(today - days * interval '1 day', quarters - interval '1 minute',
                            '15 minutes') AS quarter, screens,
     LATERAL (SELECT ceil(users / 27.0 * weight * pg_temp.busyness(quarter))::bigint AS views) AS v
JOIN histograms ON size = 30 AND variant = v.views %% 8;
INSERT INTO screen_hours (hour, screen, views, visits, dwell_ms, silent_dwell_ms, dwell_histogram,
                          exits, bounces)
SELECT date_bin('1 hour', quarter, 'epoch'), screen, sum(views), sum(visits), sum(dwell_ms),
       sum(silent_dwell_ms), analytics.merge_histograms(dwell_histogram), sum(exits), sum(bounces)
FROM screen_quarters GROUP BY 1, 2;
INSERT INTO screen_days (day, screen, views, visits, dwell_ms, silent_dwell_ms, dwell_histogram,
                         exits, bounces, users, sketch_month, sketch)
SELECT day::date, screen, views, views, views * 21000, views * 1500, counts, views / 5,
       views / 20, sketches.users, date_trunc('month', day)::date, sketch
FROM frame, generate_series(today - days * interval '1 day', today - interval '1 day', '1 day')
         AS day, screens
JOIN sketches ON sketches.n = (SELECT max(n) FROM sketches),
     LATERAL (SELECT ceil(frame.users * 2 * weight)::bigint AS views) AS v
JOIN histograms ON size = 2000 AND variant = v.views %% 8;
INSERT INTO screen_hour_users (hour, screen, users, sketch_month, sketch)
SELECT hour, screen, sketches.users, date_trunc('month', hour)::date, sketch
FROM frame, generate_series(today - days * interval '1 day', hours - interval '1 minute', '1 hour')
         AS hour, screens
JOIN sketches ON sketches.n = screens.n %% (SELECT max(n) FROM sketches)

-- name: transitions
INSERT INTO screen_transitions (quarter, "partition", from_screen, to_screen, transitions)
SELECT quarter, p, from_screen, to_screen, 1 + (users / 100 * weight)::integer
FROM frame, generate_series(today - interval '3 days', as_of, '15 minutes') AS quarter,
     generate_series(0, partitions - 1) AS p, steps;
INSERT INTO transition_quarters (quarter, from_screen, to_screen, transitions)
SELECT quarter, from_screen, to_screen, 1 + (users / 27 * weight)::bigint
FROM frame, generate_series(today - days * interval '1 day', quarters - interval '1 minute',
                            '15 minutes') AS quarter, steps;
INSERT INTO transition_days (day, from_screen, to_screen, transitions)
SELECT day::date, from_screen, to_screen, 1 + (users * 2 * weight)::bigint
FROM frame, generate_series(today - days * interval '1 day', today - interval '1 day', '1 day')
         AS day, steps

-- name: samples
-- Every instant that is kept, in every partition.
INSERT INTO concurrency_samples (at, "partition", foreground, background)
SELECT at, p, users / 12 / partitions * pg_temp.busyness(at), users / 40 / partitions
FROM frame, generate_series(today - %(kept_days)s * interval '1 day', as_of, '10 seconds') AS at,
     generate_series(0, partitions - 1) AS p;
INSERT INTO screen_samples (at, "partition", screen, foreground)
SELECT at, p, screen, 1 + users / 40 / partitions * weight * pg_temp.busyness(at)
FROM frame, generate_series(today - %(kept_days)s * interval '1 day', as_of, '1 minute') AS at,
     generate_series(0, partitions - 1) AS p, screens;
INSERT INTO concurrency_quarters (quarter, samples, foreground_sum, background_sum, peak_online,
                                  peak_online_at, peak_foreground, peak_foreground_at)
SELECT quarter, 90, 90 * online, 90 * online / 4, online * 2, quarter + interval '7 minutes',
       online * 1.5, quarter + interval '7 minutes'
FROM frame, generate_series(today - days * interval '1 day', quarters - interval '1 minute',
                            '15 minutes') AS quarter,
     LATERAL (SELECT (users / 12 * pg_temp.busyness(quarter))::bigint AS online) AS o

-- name: session_rollups
INSERT INTO session_quarters (quarter, sessions, duration_ms, duration_histogram, foreground_ms,
                              views, bounces, timed_out)
SELECT quarter, sessions, sessions * 240000, counts, sessions * 180000, sessions * 6, sessions / 9,
       sessions / 2
FROM frame, generate_series(today - days * interval '1 day', quarters - interval '1 minute',
                            '15 minutes') AS quarter,
     LATERAL (SELECT (users / 80 * pg_temp.busyness(quarter))::bigint AS sessions) AS s
JOIN histograms ON size = 2000 AND variant = s.sessions %% 8

-- name: people
-- A day of what single users did: a session of six spans, and the change that began each.
CREATE TEMP TABLE people ON COMMIT DROP AS
SELECT row_number() OVER () AS n, person, begin_at, place,
       begin_at + (place * interval '40 seconds') AS started_at,
       begin_at + ((place + 1) * interval '40 seconds')
           + CASE WHEN place = 5 THEN interval '5 minutes' ELSE interval '0' END AS shown_until,
       begin_at + ((place + 1) * interval '40 seconds') AS ended_at
FROM (SELECT 1 + (users * random())::integer %% users AS person,
             %(day)s::timestamptz + random() * interval '23.8 hours' AS begin_at
      FROM frame, generate_series(1, %(sessions)s)) AS sessions,
     generate_series(0, 5) AS place;
DELETE FROM people USING frame WHERE shown_until > as_of;
INSERT INTO spans (shown_until, "partition", log_offset, event_index, ordinal, user_id, device,
                   state, screen, started_at, changed_at, ended_at, ended_by, is_view,
                   session_start, online_since, name, app_version, device_info, platform)
SELECT shown_until, person %% partitions, people.n, 0, 0,
       format('user-%%s', lpad(person::text, 7, '0')), 'device',
       CASE place WHEN 5 THEN 'background' ELSE 'foreground' END::presence_state, screen,
       started_at, started_at, ended_at,
       CASE place WHEN 4 THEN 'backgrounded' WHEN 5 THEN 'timed_out' ELSE 'navigated' END::span_end,
       place < 5, begin_at, begin_at, 'Name ' || person,
       '1.' || person %% 9 || '.' || person %% 5, 'Phone ' || person %% 120, 'android'
FROM frame CROSS JOIN people JOIN screens ON screens.n = 1 + (person + least(place, 4)) %% frame.screens;
INSERT INTO sessions (shown_until, "partition", log_offset, event_index, ordinal, user_id, device,
                      started_at, ended_at, ended_by, views, visits, foreground_ms, entry_screen,
                      exit_screen, app_version, device_info, platform)
SELECT shown_until, person %% partitions, n, 0, 1,
       format('user-%%s', lpad(person::text, 7, '0')), 'device', begin_at, ended_at, 'timed_out',
       5, 5, 200000, 'Screen 01', 'Screen 02', '1.' || person %% 9 || '.' || person %% 5,
       'Phone ' || person %% 120, 'android'
FROM frame, people WHERE place = 5;
INSERT INTO changes (at, "partition", log_offset, event_index, ordinal, user_id, device, reason,
                     previous_state, state, previous_screen, screen, user_state, user_screen,
                     app_version, platform)
SELECT started_at, person %% partitions, people.n, 0, 0,
       format('user-%%s', lpad(person::text, 7, '0')), 'device',
       CASE place WHEN 0 THEN 'started' WHEN 5 THEN 'backgrounded' ELSE 'navigated'
       END::change_reason,
       CASE place WHEN 0 THEN 'offline' ELSE 'foreground' END::presence_state, state, NULL, screen,
       state, screen, '1.' || person %% 9 || '.' || person %% 5, 'android'
FROM frame CROSS JOIN people JOIN screens ON screens.n = 1 + (person + least(place, 4)) %% frame.screens
CROSS JOIN LATERAL (SELECT CASE place WHEN 5 THEN 'background' ELSE 'foreground'
                    END::presence_state AS state) AS s

-- name: rows_read
-- By table, its partitions together: rows that scans have read since it began.
SELECT regexp_replace(relname, '_([0-9]{8}|default)$', '') AS parent,
       sum(coalesce(seq_tup_read, 0) + coalesce(index_rows, 0))::bigint
FROM pg_stat_user_tables t LEFT JOIN (
    SELECT relid, sum(idx_tup_read) AS index_rows FROM pg_stat_user_indexes GROUP BY relid
) AS i USING (relid)
GROUP BY 1

-- name: sizes
SELECT parent, sum(reltuples)::bigint, pg_size_pretty(sum(bytes))
FROM (SELECT regexp_replace(relname, '_([0-9]{8}|default)$', '') AS parent,
             greatest(reltuples, 0) AS reltuples, pg_total_relation_size(oid) AS bytes
      FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace) AS tables
GROUP BY 1 HAVING sum(reltuples) > 0 ORDER BY sum(bytes) DESC
