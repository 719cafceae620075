-- Opt-outs, erasures, and what is stored of one user (api/privacy).

-- name: fingerprint
-- Of the key by which the database knows users, and whether since a moment only; no row: of none yet.
SELECT fingerprint, claimed_at > now() - make_interval(secs => %(new_seconds)s) FROM user_hash_key

-- name: flag
-- What is known of a user by hash.
SELECT opted_out, at FROM privacy_flags WHERE user_hash = %(user_hash)s

-- name: passed
-- Has the processor passed the event at that offset? Not where it is in a topic made anew, to which the
-- database does not belong yet.
SELECT next_offset > coalesce(log_base, 0) + %(offset)s
       AND (topic_id IS NULL OR topic_id = %(topic_id)s::uuid)
FROM stream_offsets LEFT JOIN deployment ON true WHERE "partition" = %(partition)s

-- name: log_base
-- What an offset of Kafka's is a position by; no row: no processor has started yet.
SELECT log_base FROM deployment

-- name: request
-- The processor may have been faster.
INSERT INTO erasures (erasure_id, user_hash, kind, "partition")
VALUES (%(erasure_id)s, %(user_hash)s, %(kind)s, %(partition)s)
ON CONFLICT DO NOTHING

-- name: same_erasure
-- Under which id a further request is done, if not under its own: that of one which is not done yet, or
-- the latest of so many on one day.
WITH of_user AS (
    SELECT erasure_id, requested_at, erased_at FROM erasures
    WHERE user_hash = %(user_hash)s AND kind = %(kind)s
), of_the_day AS (
    SELECT erasure_id, requested_at FROM of_user WHERE requested_at > now() - interval '1 day'
    ORDER BY requested_at DESC LIMIT %(most)s
)
SELECT erasure_id FROM of_user WHERE erased_at IS NULL
UNION ALL
(SELECT erasure_id FROM of_the_day WHERE (SELECT count(*) FROM of_the_day) >= %(most)s
 ORDER BY requested_at DESC)
LIMIT 1

-- name: erasure
-- One erasure by id.
SELECT erasure_id, kind, requested_at, erased_at, removed FROM erasures
WHERE erasure_id = %(erasure_id)s

-- name: kept_days
-- How many days maintenance leaves of a table now.
SELECT table_name, (now() AT TIME ZONE 'UTC')::date - (kept_from AT TIME ZONE 'UTC')::date
FROM retention_progress

-- name: presence
-- The user's row, as it is stored.
SELECT (to_jsonb(p) - '{partition, log_offset}'::text[])::text FROM current_presence p
WHERE user_id = %(user_id)s LIMIT %(most)s

-- name: changes
-- The user's latest changes.
SELECT (to_jsonb(c) - '{partition, log_offset, event_index, ordinal}'::text[])::text FROM changes c
WHERE user_id = %(user_id)s ORDER BY at DESC LIMIT %(most)s

-- name: spans
-- The user's latest spans.
SELECT (to_jsonb(s) - '{partition, log_offset, event_index, ordinal}'::text[])::text FROM spans s
WHERE user_id = %(user_id)s ORDER BY shown_until DESC LIMIT %(most)s

-- name: sessions
-- The user's latest sessions.
SELECT (to_jsonb(s) - '{partition, log_offset, event_index, ordinal}'::text[])::text FROM sessions s
WHERE user_id = %(user_id)s ORDER BY shown_until DESC LIMIT %(most)s

-- name: user_days
-- The latest days on which the user was active.
SELECT (to_jsonb(d) - '{partition}'::text[])::text FROM user_days d
WHERE user_id = %(user_id)s ORDER BY day DESC LIMIT %(most)s

-- name: erasures
-- The latest erasures of the user, by hash.
SELECT (to_jsonb(e) - '{user_hash, partition, log_offset}'::text[])::text FROM erasures e
WHERE user_hash = %(user_hash)s ORDER BY requested_at DESC LIMIT %(most)s

-- name: privacy_flags
-- What is known of the user by hash.
SELECT (to_jsonb(f) - '{user_hash, partition, log_offset}'::text[])::text FROM privacy_flags f
WHERE user_hash = %(user_hash)s LIMIT %(most)s

-- name: reads_audit
-- When somebody looked at the user: not who, which is about staff.
SELECT (to_jsonb(r) - '{who_kind, who, subject, users}'::text[])::text FROM reads_audit r
WHERE subject = %(subject)s ORDER BY minute DESC LIMIT %(most)s
