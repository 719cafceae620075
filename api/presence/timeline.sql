-- What a user did, newest first: by when a change happened and a span or session was over, open
-- spans before all. Ends never change, so that whoever pages sees everything once. Of what one
-- record did the parts come in the order of their ids, and its change before what it ended.

-- name: open_spans
-- What the user's devices show now: spans that have not ended.
SELECT (stay ->> 'is_view')::boolean AS is_view, device, state::text AS state, screen,
       coalesce(from_ms((stay ->> 'since_ms')::bigint), changed_at) AS started_at, changed_at,
       session_start, app_version, device_info, platform
FROM (
    SELECT device, state, screen, changed_at, online_since AS session_start, app_version,
           device_info, platform, stay
    FROM presence
    WHERE user_id = %(user_id)s AND state <> 'offline' AND devices IS NULL
    UNION ALL
    SELECT d.device, d.state::presence_state, d.screen, from_ms(d.changed_ms),
           from_ms(d.online_since_ms), d.app_version, d.device_info, d.platform, d.stay
    FROM presence CROSS JOIN LATERAL jsonb_to_recordset(devices) AS d (
        device text, state text, screen text, changed_ms bigint, online_since_ms bigint,
        app_version text, device_info text, platform text, stay jsonb)
    WHERE user_id = %(user_id)s AND d.state <> 'offline'
) AS spans
ORDER BY started_at DESC, device

-- name: spans
-- A page of spans that have ended.
SELECT 'span' AS type, shown_until AS at, log_offset, event_index, ordinal, device,
       state::text AS state, screen, started_at, shown_until, ended_at, ended_by::text AS ended_by,
       is_view, changed_at, session_start, app_version, device_info, platform
FROM spans
WHERE user_id = %(user_id)s
  AND (%(at)s::timestamptz IS NULL OR shown_until <= %(at)s)
  AND (%(at)s::timestamptz IS NULL OR (shown_until, log_offset, event_index, ordinal, 1)
       < (%(at)s, %(log_offset)s::bigint, %(event_index)s::int, %(ordinal)s::int, %(rank)s::int))
ORDER BY shown_until DESC, log_offset DESC, event_index DESC, ordinal DESC
LIMIT %(limit)s

-- name: sessions
-- A page of sessions that have ended.
SELECT 'session' AS type, shown_until AS at, log_offset, event_index, ordinal, device, started_at,
       shown_until, ended_at, ended_by::text AS ended_by, views, visits, foreground_ms,
       entry_screen, exit_screen, app_version, device_info, platform
FROM sessions
WHERE user_id = %(user_id)s
  AND (%(at)s::timestamptz IS NULL OR shown_until <= %(at)s)
  AND (%(at)s::timestamptz IS NULL OR (shown_until, log_offset, event_index, ordinal, 0)
       < (%(at)s, %(log_offset)s::bigint, %(event_index)s::int, %(ordinal)s::int, %(rank)s::int))
ORDER BY shown_until DESC, log_offset DESC, event_index DESC, ordinal DESC
LIMIT %(limit)s

-- name: changes
-- A page of changes.
SELECT 'change' AS type, at, log_offset, event_index, ordinal, device, reason::text AS reason,
       previous_state::text AS previous_state, state::text AS state, previous_screen, screen,
       user_state::text AS user_state, user_screen, app_version, platform
FROM changes
WHERE user_id = %(user_id)s
  AND (%(at)s::timestamptz IS NULL OR at <= %(at)s)
  AND (%(at)s::timestamptz IS NULL OR (at, log_offset, event_index, ordinal, 2)
       < (%(at)s, %(log_offset)s::bigint, %(event_index)s::int, %(ordinal)s::int, %(rank)s::int))
ORDER BY at DESC, log_offset DESC, event_index DESC, ordinal DESC
LIMIT %(limit)s

-- name: is_known
-- Whether there is such a user.
SELECT EXISTS (SELECT FROM presence WHERE user_id = %(user_id)s)

-- name: one_moment
-- All that follows in the transaction is of one moment.
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ
