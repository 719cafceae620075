-- What a batch adds to analytics, by name (schemas/database/named_queries.py reads them).

-- name: load_screen_names
-- New names of the minute, with the mark of the user who brought each; older rows have none.
SELECT screen, coalesce(brought_by, 0) FROM screen_names
WHERE "partition" = %s AND minute = from_ms(%s)

-- name: load_known_screens
-- Which names of screens keep their places, as a partition knows it.
SELECT state::text FROM known_screens WHERE "partition" = %s

-- name: load_shown_elsewhere
-- How many users of the other partitions showed each name on a day: it runs there, or it was the last one.
SELECT name, sum(users)::integer
FROM known_screens, LATERAL (
    SELECT key AS name, jsonb_array_length(value) AS users FROM jsonb_each(state -> 'shown_by')
    WHERE (state ->> 'day')::integer = %(day)s
    UNION ALL
    SELECT key, value::integer FROM jsonb_each(state -> 'shown_before')
    WHERE (state ->> 'day_before')::integer = %(day)s
) AS shown
WHERE "partition" <> %(partition)s
GROUP BY name ORDER BY name

-- name: load_live_screens
-- Users in the foreground by screen, as they were counted.
SELECT screen, foreground FROM live_screens WHERE "partition" = %s

-- name: create_analytics_tables
-- What a batch adds to analytics, before it is applied.
CREATE TEMP TABLE IF NOT EXISTS batch_spans (
    shown_until_ms bigint, "partition" integer, log_offset bigint, event_index integer,
    ordinal integer, user_id text, device text, state text, screen text, started_ms bigint,
    changed_ms bigint, ended_ms bigint, ended_by text, is_view boolean, session_start_ms bigint,
    online_since_ms bigint, name text, app_version text, device_info text, platform text,
    told_before text
);
CREATE TEMP TABLE IF NOT EXISTS batch_sessions (
    shown_until_ms bigint, "partition" integer, log_offset bigint, event_index integer,
    ordinal integer, user_id text, device text, started_ms bigint, ended_ms bigint, ended_by text,
    views integer, visits integer, foreground_ms bigint, entry_screen text, exit_screen text,
    app_version text, device_info text, platform text
);
CREATE TEMP TABLE IF NOT EXISTS batch_user_days (
    day integer, user_id text, "partition" integer, is_new boolean, app_version text,
    device_info text, platform text
)

-- name: create_apply_analytics
-- `windows` are the small tables of the batch, each an array of rows (processor/store/analytics_rows.py). Most are empty
-- most of the time, and a statement that finds nothing costs what one does that finds a row. Nothing of the batch is read
-- after this.
CREATE OR REPLACE FUNCTION pg_temp.apply_analytics(windows jsonb) RETURNS void
    LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO spans (
        shown_until, "partition", log_offset, event_index, ordinal, user_id, device, state, screen,
        started_at, changed_at, ended_at, ended_by, is_view, session_start, online_since, name,
        app_version, device_info, platform, told_before
    )
    SELECT from_ms(shown_until_ms), "partition", log_offset, event_index, ordinal, user_id, device,
           state::presence_state, screen, from_ms(started_ms), from_ms(changed_ms),
           from_ms(ended_ms), ended_by::span_end, is_view, from_ms(session_start_ms),
           from_ms(online_since_ms), name, app_version, device_info, platform, told_before::jsonb
    FROM batch_spans;

    IF (windows ->> 'sessions')::integer > 0 THEN
        INSERT INTO sessions (
            shown_until, "partition", log_offset, event_index, ordinal, user_id, device, started_at,
            ended_at, ended_by, views, visits, foreground_ms, entry_screen, exit_screen, app_version,
            device_info, platform
        )
        SELECT from_ms(shown_until_ms), "partition", log_offset, event_index, ordinal, user_id, device,
               from_ms(started_ms), from_ms(ended_ms), ended_by::span_end, views, visits,
               foreground_ms, entry_screen, exit_screen, app_version, device_info, platform
        FROM batch_sessions;
    END IF;

    IF (windows ->> 'user_days')::integer > 0 THEN
        INSERT INTO user_days (day, user_id, "partition", is_new, app_version, device_info, platform)
        SELECT date '1970-01-01' + day, user_id, "partition", is_new, app_version, device_info, platform
        FROM batch_user_days;
    END IF;

    IF jsonb_array_length(windows -> 'minutes') > 0 THEN
        INSERT INTO screen_minutes AS m (
            minute, "partition", screen, views, visits, dwell_ms, silent_dwell_ms, dwell_histogram,
            exits, bounces
        )
        SELECT from_ms((w ->> 0)::bigint), (w ->> 1)::integer, w ->> 2, (w ->> 3)::integer,
               (w ->> 4)::integer, (w ->> 5)::bigint, (w ->> 6)::bigint,
               ARRAY(SELECT jsonb_array_elements_text(w -> 7)::integer),
               (w ->> 8)::integer, (w ->> 9)::integer
        FROM jsonb_array_elements(windows -> 'minutes') AS each (w)
        ON CONFLICT (minute, "partition", screen) DO UPDATE SET
            views = m.views + EXCLUDED.views,
            visits = m.visits + EXCLUDED.visits,
            dwell_ms = m.dwell_ms + EXCLUDED.dwell_ms,
            silent_dwell_ms = m.silent_dwell_ms + EXCLUDED.silent_dwell_ms,
            dwell_histogram = add_counts(m.dwell_histogram, EXCLUDED.dwell_histogram),
            exits = m.exits + EXCLUDED.exits,
            bounces = m.bounces + EXCLUDED.bounces;
    END IF;

    IF jsonb_array_length(windows -> 'transitions') > 0 THEN
        INSERT INTO screen_transitions AS t (quarter, "partition", from_screen, to_screen, transitions)
        SELECT from_ms((w ->> 0)::bigint), (w ->> 1)::integer, w ->> 2, w ->> 3, (w ->> 4)::integer
        FROM jsonb_array_elements(windows -> 'transitions') AS each (w)
        ON CONFLICT (quarter, "partition", from_screen, to_screen) DO UPDATE SET
            transitions = t.transitions + EXCLUDED.transitions;
    END IF;

    IF jsonb_array_length(windows -> 'forgotten_names') > 0 THEN
        -- Log time stepped back: the minutes that it passes again have their names anew.
        DELETE FROM screen_names AS n
        USING jsonb_array_elements(windows -> 'forgotten_names') AS each (w)
        WHERE n."partition" = (w ->> 1)::integer AND n.minute >= from_ms((w ->> 0)::bigint);
    END IF;

    IF jsonb_array_length(windows -> 'names') > 0 THEN
        INSERT INTO screen_names (minute, "partition", screen, brought_by)
        SELECT from_ms((w ->> 0)::bigint), (w ->> 1)::integer, w ->> 2, (w ->> 3)::bigint
        FROM jsonb_array_elements(windows -> 'names') AS each (w);
    END IF;

    IF jsonb_array_length(windows -> 'known_screens') > 0 THEN
        INSERT INTO known_screens AS k ("partition", state)
        SELECT (w ->> 0)::integer, w -> 1
        FROM jsonb_array_elements(windows -> 'known_screens') AS each (w)
        ON CONFLICT ("partition") DO UPDATE SET state = EXCLUDED.state;
    END IF;

    IF jsonb_array_length(windows -> 'late_quarters') > 0 THEN
        INSERT INTO late_quarters (quarter, "partition", log_offset)
        SELECT from_ms((w ->> 0)::bigint), (w ->> 1)::integer, (w ->> 2)::bigint
        FROM jsonb_array_elements(windows -> 'late_quarters') AS each (w);
    END IF;

    IF jsonb_array_length(windows -> 'samples') > 0 THEN
        -- An instant that log time passes again keeps its first sample, and the screens of that.
        WITH taken AS (
            INSERT INTO concurrency_samples (at, "partition", foreground, background)
            SELECT from_ms((w ->> 0)::bigint), (w ->> 1)::integer, (w ->> 2)::integer,
                   (w ->> 3)::integer
            FROM jsonb_array_elements(windows -> 'samples') AS each (w)
            ON CONFLICT (at, "partition") DO NOTHING
            RETURNING at, "partition"
        )
        INSERT INTO screen_samples (at, "partition", screen, foreground)
        SELECT taken.at, taken."partition", w ->> 2, (w ->> 3)::integer
        FROM jsonb_array_elements(windows -> 'screen_samples') AS each (w)
        JOIN taken ON taken.at = from_ms((w ->> 0)::bigint)
                  AND taken."partition" = (w ->> 1)::integer;
    END IF;

    IF jsonb_array_length(windows -> 'live_screens_anew') > 0 THEN
        DELETE FROM live_screens AS l
        USING jsonb_array_elements_text(windows -> 'live_screens_anew') AS each (p)
        WHERE l."partition" = p::integer;
    END IF;
    IF jsonb_array_length(windows -> 'live_screens') > 0 THEN
        DELETE FROM live_screens AS l
        USING jsonb_array_elements(windows -> 'live_screens') AS each (w)
        WHERE l."partition" = (w ->> 0)::integer AND l.screen = w ->> 1 AND (w ->> 2)::bigint = 0;
        INSERT INTO live_screens ("partition", screen, foreground)
        SELECT (w ->> 0)::integer, w ->> 1, (w ->> 2)::bigint
        FROM jsonb_array_elements(windows -> 'live_screens') AS each (w)
        WHERE (w ->> 2)::bigint > 0
        ON CONFLICT ("partition", screen) DO UPDATE SET foreground = EXCLUDED.foreground;
    END IF;
    PERFORM pg_temp.empty_batch();
END
$$

-- name: copy_spans
-- Spans that ended in the batch.
COPY batch_spans FROM STDIN (FORMAT binary)

-- name: copy_sessions
-- Sessions that ended in the batch.
COPY batch_sessions FROM STDIN (FORMAT binary)

-- name: copy_user_days
-- Users who were active on another day for the first time.
COPY batch_user_days FROM STDIN (FORMAT binary)

-- name: apply_analytics
-- All of the above into its tables, and the windows that came as JSON.
SELECT pg_temp.apply_analytics(%s::jsonb)
