-- What `rollcall erase` and `rollcall opt-outs` ask PostgreSQL (deploy/erasing.py).

-- name: fingerprint
-- Of the key by which the database knows users; no row: of none yet.
SELECT fingerprint FROM user_hash_key

-- name: claim
-- The database is of our key from now on.
INSERT INTO user_hash_key (fingerprint) VALUES (%s) ON CONFLICT DO NOTHING

-- name: removed
-- How many rows each of these erasures has taken.
SELECT erasure_id, (SELECT coalesce(sum(value::bigint), 0)::bigint FROM jsonb_each_text(removed))
FROM erasures WHERE erasure_id = ANY (%s)

-- name: known_users
-- Everybody of whom something is stored.
SELECT user_id FROM presence
UNION SELECT user_id FROM signs_of_life
UNION SELECT user_id FROM search_texts
UNION SELECT user_id FROM changes
UNION SELECT user_id FROM spans
UNION SELECT user_id FROM sessions
UNION SELECT user_id FROM user_days

-- name: restore_flag
-- A flag of the topic, unless the table has a later one.
INSERT INTO privacy_flags AS f (user_hash, "partition", opted_out, log_offset, at, erased_until)
SELECT h, p, o, l, coalesce(from_ms(e), now()), from_ms(e)
FROM (VALUES (%s::bytea, %s::integer, %s::boolean, %s::bigint, %s::bigint)) AS flag (h, p, o, l, e)
ON CONFLICT (user_hash) DO UPDATE SET
    opted_out = EXCLUDED.opted_out, log_offset = EXCLUDED.log_offset, at = EXCLUDED.at,
    erased_until = greatest(f.erased_until, EXCLUDED.erased_until)
WHERE f.log_offset < EXCLUDED.log_offset

-- name: next_offsets
-- How far each partition is, as Kafka counts; no row where the database belongs to another topic.
SELECT "partition", next_offset - log_base FROM stream_offsets, deployment WHERE topic_id = %s

-- name: all_flags
-- As they are to be on presence.privacy.
SELECT user_hash, "partition", opted_out, log_offset, to_ms(erased_until) FROM privacy_flags
