-- A screen as windows count it (processor/windows.py), beyond the cap of a minute still by its name:
-- one that an app has given a name of ours is '(other)'.
CREATE FUNCTION app_screen(screen text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN screen IN ('(none)', '(start)', '(end)') THEN '(other)' ELSE screen END;

CREATE OR REPLACE VIEW analytics.visits AS
SELECT
    started_at,
    ended_at,
    to_ms(ended_at) - to_ms(started_at) AS dwell_ms,
    shown_until,
    user_id,
    device,
    coalesce(app_screen(screen), '(none)') AS screen,
    is_view,
    ended_by::text AS ended_by,
    ended_by IN ('timed_out', 'disconnected') AS ended_in_silence,
    session_start,
    app_version,
    device_info,
    platform
FROM spans
WHERE state = 'foreground';
COMMENT ON COLUMN analytics.visits.screen IS
    'Screen as the app names it (also beyond the cap of a minute); ''(none)'': none was named yet; ''(other)'': it has a name of ours, such as (end).';

CREATE OR REPLACE VIEW analytics.sessions AS
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
    app_screen(entry_screen) AS entry_screen,
    app_screen(exit_screen) AS exit_screen,
    ended_by::text AS ended_by,
    ended_by IN ('timed_out', 'disconnected') AS ended_in_silence,
    app_version,
    device_info,
    platform
FROM sessions;
