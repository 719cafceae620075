-- What the audit copies, by name (schemas/database/named_queries.py reads them): all in one snapshot. Rows come by
-- partition and in the order of the log; their columns are those of deploy/audit/columns.py, in its order.

-- name: deployment
-- Which log this database belongs to, and which ones before.
SELECT topic_id::text, partitions, log_base, former_topic_ids::text[] FROM deployment

-- name: offsets
-- How far each partition is, and what it counts.
SELECT "partition", next_offset, to_ms(log_time), foreground, background,
       live_screens_offset IS NOT DISTINCT FROM next_offset
FROM stream_offsets
WHERE log_time IS NOT NULL ORDER BY "partition"

-- name: policies
-- The durations that were in force, by the offset from which on.
SELECT "partition", from_offset, policy::text FROM policies ORDER BY "partition", from_offset

-- name: lost_ranges
-- Records whose loss somebody accepted.
SELECT "partition", from_offset, to_offset FROM lost_ranges

-- name: kept_from
-- From when on a table has all its rows.
SELECT table_name, to_ms(kept_from) FROM retention_progress

-- name: presence
-- Every user, with the devices.
SELECT "partition", log_offset, user_id, name, state::text, screen, reason::text, to_ms(changed_at),
       to_ms(online_since), to_ms(last_active), device_count, device, app_version, device_info,
       platform, token, to_ms(expires_at), signed_out, ended_in_foreground,
       first_day - date '1970-01-01', active_day - date '1970-01-01', devices::text,
       timer::text, running_timers, canary
FROM current_presence ORDER BY "partition"

-- name: changes
-- Changes that are kept still.
SELECT c."partition", log_offset, event_index, ordinal, to_ms(at), user_id, device, reason::text,
       previous_state::text, state::text, previous_screen, screen, user_state::text, user_screen,
       app_version, platform, coalesce(connections, '[]')::text
FROM changes c JOIN unnest(%(partitions)s::int[], %(offsets)s::bigint[]) AS wanted (p, o)
    ON c."partition" = p AND log_offset >= o
ORDER BY c."partition", log_offset, event_index, ordinal

-- name: spans
-- Spans that are kept still.
SELECT s."partition", log_offset, event_index, ordinal, to_ms(shown_until), user_id, device,
       state::text, screen, to_ms(started_at), to_ms(changed_at), to_ms(ended_at), ended_by::text,
       is_view, to_ms(session_start), to_ms(online_since), name, app_version, device_info,
       platform, coalesce(told_before, '[]')::text
FROM spans s JOIN unnest(%(partitions)s::int[], %(offsets)s::bigint[]) AS wanted (p, o)
    ON s."partition" = p AND log_offset >= o
ORDER BY s."partition", log_offset, event_index, ordinal

-- name: sessions
-- Sessions that are kept still.
SELECT s."partition", log_offset, event_index, ordinal, to_ms(shown_until), user_id, device,
       to_ms(started_at), to_ms(ended_at), ended_by::text, views, visits, foreground_ms,
       entry_screen, exit_screen, app_version, device_info, platform
FROM sessions s JOIN unnest(%(partitions)s::int[], %(offsets)s::bigint[]) AS wanted (p, o)
    ON s."partition" = p AND log_offset >= o
ORDER BY s."partition", log_offset, event_index, ordinal

-- name: user_days
-- Days on which users were active.
SELECT u."partition", u.day - date '1970-01-01', user_id, is_new, app_version, device_info, platform
FROM user_days u JOIN unnest(%(partitions)s::int[], %(days)s::int[]) AS wanted (p, d)
    ON u."partition" = p AND u.day >= date '1970-01-01' + d
ORDER BY u."partition"

-- name: screen_minutes
-- Windows of screens, of the hours that are compared.
SELECT m."partition", to_ms(minute), screen, views, visits, dwell_ms, silent_dwell_ms, exits,
       bounces, dwell_histogram
FROM screen_minutes m JOIN unnest(%(partitions)s::int[], %(minutes)s::bigint[]) AS wanted (p, t)
    ON m."partition" = p AND minute >= from_ms(t)
ORDER BY m."partition"

-- name: screen_transitions
-- Transitions of the hours that are compared.
SELECT t."partition", to_ms(quarter), from_screen, to_screen, transitions
FROM screen_transitions t
JOIN unnest(%(partitions)s::int[], %(minutes)s::bigint[]) AS wanted (p, t)
    ON t."partition" = p AND quarter >= from_ms(wanted.t)
ORDER BY t."partition"

-- name: concurrency_samples
-- How many were online at each sampled instant.
SELECT s."partition", to_ms(at), foreground, background
FROM concurrency_samples s JOIN unnest(%(partitions)s::int[], %(times)s::bigint[]) AS wanted (p, t)
    ON s."partition" = p AND at >= from_ms(t)
ORDER BY s."partition"

-- name: screen_samples
-- How many were on each screen at each sampled instant.
SELECT s."partition", to_ms(at), screen, foreground
FROM screen_samples s JOIN unnest(%(partitions)s::int[], %(times)s::bigint[]) AS wanted (p, t)
    ON s."partition" = p AND at >= from_ms(t)
ORDER BY s."partition"

-- name: live_screens
-- How many are on each screen now.
SELECT "partition", screen, foreground FROM live_screens ORDER BY "partition"

-- name: outages
-- Silences that were ours.
SELECT "partition", kind, to_ms(started_at), to_ms(ended_at) FROM outages ORDER BY "partition"

-- name: clock_steps
-- When log time stepped back.
SELECT "partition", log_offset, to_ms(from_time), to_ms(to_time) FROM clock_steps
ORDER BY "partition", log_offset

-- name: erasures
-- What was erased, by the event that asked.
SELECT "partition", erasure_id, kind, log_offset, to_ms(erased_at) FROM erasures
WHERE log_offset IS NOT NULL ORDER BY "partition"

-- name: privacy_flags
-- Who opted out and what was erased, by keyed hash.
SELECT "partition", user_hash, opted_out, to_ms(at), log_offset, to_ms(erased_until)
FROM privacy_flags ORDER BY "partition"

-- name: note_result
-- What a run has found; the latest 400 are kept.
WITH noted AS (
    INSERT INTO audits (as_of, users, percent_in_full, rows_compared, differences)
    VALUES (from_ms(%(as_of_ms)s), %(users)s, %(percent_in_full)s, %(rows)s, %(difference_count)s)
    RETURNING id
)
DELETE FROM audits USING noted WHERE audits.id <= noted.id - 400

-- name: still_stored
-- Rows of users who left, of before they did: there are none.
SELECT 'presence', user_id, log_offset FROM presence
WHERE user_id = %(user)s AND log_offset < %(offset)s AND %(before)s::bigint IS NULL
UNION ALL
SELECT 'signs_of_life', user_id, log_offset FROM signs_of_life
WHERE user_id = %(user)s AND log_offset < %(offset)s
UNION ALL
SELECT 'changes', user_id, log_offset FROM changes
WHERE user_id = %(user)s AND log_offset < %(offset)s
  AND (%(before)s::bigint IS NULL OR at < from_ms(%(before)s))
UNION ALL
SELECT 'spans', user_id, log_offset FROM spans
WHERE user_id = %(user)s AND log_offset < %(offset)s
  AND (%(before)s::bigint IS NULL OR shown_until < from_ms(%(before)s))
UNION ALL
SELECT 'sessions', user_id, log_offset FROM sessions
WHERE user_id = %(user)s AND log_offset < %(offset)s
  AND (%(before)s::bigint IS NULL OR shown_until < from_ms(%(before)s))
LIMIT 20
