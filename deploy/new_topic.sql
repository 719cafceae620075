-- What `rollcall offsets accept-loss --new-topic` asks PostgreSQL (deploy/new_topic.py).

-- name: deployment
-- Which topic the database belongs to; no row: it never had a processor.
SELECT topic, topic_id, partitions, log_base FROM deployment

-- name: stored
-- How far each partition is.
SELECT "partition", next_offset, to_ms(log_time) FROM stream_offsets ORDER BY "partition"

-- name: move_to_new_topic
-- The database belongs to another topic from now on; no row where it no longer belongs to this one.
UPDATE deployment
SET topic_id = %(new_id)s, log_base = %(base)s, former_topic_ids = former_topic_ids || topic_id
WHERE topic_id = %(old_id)s AND log_base < %(base)s
RETURNING partitions

-- name: highest_position
-- That anything stored has, or may have been told of. Of a partition nothing is above what is next but flags.
SELECT greatest(d.log_base, (SELECT max(next_offset) FROM stream_offsets),
                (SELECT max(log_offset) FROM privacy_flags))
FROM deployment d

-- name: processor_sessions
-- Processors that are connected to this database, whatever Kafka they read.
SELECT count(DISTINCT pid) FROM pg_stat_activity
WHERE datname = current_database() AND application_name = 'rollcall-processor'

-- name: told_offsets
-- How far webhooks are on presence.changes, at most.
SELECT "partition", max(next_offset) FROM (
    SELECT "partition", next_offset FROM webhook_cursors
    UNION ALL SELECT "partition", next_offset FROM webhook_dead_letters
) AS told GROUP BY "partition"

-- name: forget_replays
-- Where presence.changes ends before them it is another topic: what they were to read is lost.
DELETE FROM webhook_cursors
WHERE "partition" = %(partition)s AND dead_letter <> 0 AND until_offset > %(ends)s

-- name: forget_dead_letters
-- They cannot be replayed any more.
UPDATE webhook_dead_letters SET why = 'lost', replaying_since = NULL
WHERE "partition" = %(partition)s AND next_offset > %(ends)s

-- name: begin_cursors_anew
-- A message that is on its way is delivered still.
UPDATE webhook_cursors
SET next_offset = %(begins)s, delivered_through = %(begins)s,
    message_next_offset = CASE WHEN message_id IS NOT NULL THEN %(begins)s END
WHERE "partition" = %(partition)s AND dead_letter = 0 AND next_offset > %(ends)s

-- name: has_flags
-- Whether anybody ever opted out or was erased, or asked for it.
SELECT EXISTS (SELECT FROM privacy_flags) OR EXISTS (SELECT FROM erasures WHERE erased_at IS NULL)

-- name: pending
-- What was asked for and is not done.
SELECT user_hash, kind, erasure_id FROM erasures WHERE erased_at IS NULL ORDER BY requested_at

-- name: keep_out
-- Who asked for an opt-out of which the log is lost, unless something later is known.
INSERT INTO privacy_flags (user_hash, "partition", opted_out, log_offset, at)
SELECT e.user_hash, e."partition", true, o.next_offset, coalesce(o.log_time, now())
FROM erasures e JOIN stream_offsets o USING ("partition")
WHERE e.erasure_id = ANY (%s) AND e.kind = 'opted_out'
ON CONFLICT (user_hash) DO UPDATE SET
    opted_out = true, log_offset = EXCLUDED.log_offset, at = EXCLUDED.at
WHERE privacy_flags.log_offset < EXCLUDED.log_offset

-- name: nothing_to_erase
-- They are done: nothing is stored of the user.
UPDATE erasures SET erased_at = now(), removed = '{}' WHERE erasure_id = ANY (%s) AND erased_at IS NULL
