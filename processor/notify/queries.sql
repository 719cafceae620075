-- What notify reads and writes. A process whose partitions were taken away may write late: every change of
-- a cursor says which state it changes, and does nothing in another.

-- name: webhooks
-- Those that are told of changes, with their secrets.
SELECT id, url, filter, created_at, secret,
       CASE WHEN previous_until > now() THEN previous_secret END AS previous_secret
FROM webhooks WHERE disabled_at IS NULL ORDER BY id LIMIT %(most)s

-- name: replays
-- Dead letters that are being replayed, of one partition or all.
SELECT c.webhook, c."partition", c.dead_letter
FROM webhook_cursors c JOIN webhooks w ON w.id = c.webhook
WHERE c.dead_letter <> 0 AND w.disabled_at IS NULL AND c."partition" = ANY(%(partitions)s)
ORDER BY c.dead_letter LIMIT %(most)s

-- name: erased
-- Whose changes of before then are told nobody any more.
SELECT user_hash, erased_until FROM privacy_flags
WHERE user_hash = ANY(%(hashes)s) AND erased_until IS NOT NULL

-- name: readings
-- How far partitions are: one row is of one moment, with its outages.
SELECT o."partition", o.next_offset, o.published_through, to_ms(o.log_time),
       coalesce((o.policy ->> 'reconnect_grace_ms')::bigint, 0),
       ARRAY(
           SELECT ARRAY[to_ms(started_at), to_ms(ended_at)] FROM outages u
           WHERE u."partition" = o."partition"
             AND (ended_at IS NULL OR ended_at > o.log_time - %(days)s * interval '1 day')
           ORDER BY started_at DESC LIMIT %(most)s
       )
FROM stream_offsets o WHERE o."partition" = ANY(%(partitions)s) AND o.log_time IS NOT NULL

-- name: dead_letters
-- How many wait to be replayed.
SELECT count(*) FROM webhook_dead_letters WHERE why <> 'lost' AND replaying_since IS NULL

-- name: forget_old_dead_letters
-- Kafka has had none of their changes for weeks.
DELETE FROM webhook_dead_letters
WHERE last_at < now() - %(days)s * interval '1 day' AND replaying_since IS NULL

-- name: cursor
-- How far a webhook is in a partition, and the message that is being delivered.
SELECT next_offset, until_offset, message_id, body, changes, message_next_offset, oldest_at, fixed_at,
       attempts
FROM webhook_cursors
WHERE webhook = %(webhook)s AND "partition" = %(partition)s AND dead_letter = %(dead_letter)s
  AND EXISTS (SELECT FROM webhooks WHERE id = %(webhook)s AND disabled_at IS NULL)

-- name: begin
-- No row: the webhook is gone, or the cursor is there.
INSERT INTO webhook_cursors (webhook, "partition", dead_letter, next_offset)
SELECT id, %(partition)s, %(dead_letter)s, %(next_offset)s FROM webhooks
WHERE id = %(webhook)s AND disabled_at IS NULL
ON CONFLICT DO NOTHING

-- name: advance
-- Past changes that nobody wanted.
UPDATE webhook_cursors SET next_offset = %(next_offset)s
WHERE webhook = %(webhook)s AND "partition" = %(partition)s AND dead_letter = %(dead_letter)s
  AND next_offset = %(from_offset)s AND message_id IS NULL

-- name: fix
-- A message is fixed before its first attempt: same id and bytes through retries. Of a webhook that is being
-- disabled none is: it would stay.
UPDATE webhook_cursors
SET message_id = %(message_id)s, body = %(body)s, changes = %(changes)s,
    message_next_offset = %(next_offset)s, oldest_at = %(oldest_at)s, fixed_at = %(fixed_at)s,
    attempts = 0, problem = NULL
WHERE webhook = %(webhook)s AND "partition" = %(partition)s AND dead_letter = %(dead_letter)s
  AND next_offset = %(from_offset)s AND message_id IS NULL
  AND EXISTS (SELECT FROM webhooks WHERE id = %(webhook)s AND disabled_at IS NULL FOR KEY SHARE)

-- name: failed
-- Another attempt follows.
UPDATE webhook_cursors SET attempts = %(attempts)s, problem = %(problem)s
WHERE webhook = %(webhook)s AND "partition" = %(partition)s AND dead_letter = %(dead_letter)s
  AND message_id = %(message_id)s

-- name: delivered
-- The cursor goes past the message.
UPDATE webhook_cursors
SET next_offset = message_next_offset, delivered_through = message_next_offset, message_id = NULL,
    body = NULL, changes = NULL, message_next_offset = NULL, oldest_at = NULL, fixed_at = NULL,
    attempts = 0, problem = NULL
WHERE webhook = %(webhook)s AND "partition" = %(partition)s AND dead_letter = %(dead_letter)s
  AND message_id = %(message_id)s

-- name: given_up
-- Added to the dead letter before it, unless something was delivered between the two. One of a topic that
-- is lost (begin_cursors_anew) is nowhere to be read again.
WITH ended AS (
    UPDATE webhook_cursors
    SET next_offset = message_next_offset, message_id = NULL, body = NULL, changes = NULL,
        message_next_offset = NULL, oldest_at = NULL, fixed_at = NULL, attempts = 0, problem = NULL
    FROM (
        SELECT webhook AS w, "partition" AS p, dead_letter AS d, next_offset AS begins, changes AS many
        FROM webhook_cursors
        WHERE webhook = %(webhook)s AND "partition" = %(partition)s AND dead_letter = %(dead_letter)s
          AND message_id = %(message_id)s
        FOR UPDATE
    ) before
    WHERE webhook = w AND "partition" = p AND dead_letter = d
    RETURNING begins, next_offset AS ends, many, delivered_through
), added AS (
    UPDATE webhook_dead_letters l
    SET next_offset = ended.ends, changes = l.changes + ended.many, last_at = now()
    FROM ended
    WHERE l.id = (
        SELECT id FROM webhook_dead_letters
        WHERE webhook = %(webhook)s AND "partition" = %(partition)s AND why = 'retries'
          AND replaying_since IS NULL AND id <> %(dead_letter)s
          AND next_offset BETWEEN
              CASE WHEN %(dead_letter)s = 0 THEN ended.delivered_through ELSE ended.begins END
              AND ended.begins
        ORDER BY next_offset DESC LIMIT 1
    )
    RETURNING l.id
)
INSERT INTO webhook_dead_letters (webhook, "partition", from_offset, next_offset, changes, why)
SELECT %(webhook)s, %(partition)s, begins, greatest(ends, begins + 1), many,
       CASE WHEN begins < ends THEN 'retries' ELSE 'lost' END
FROM ended WHERE NOT EXISTS (SELECT FROM added)

-- name: lost
-- Kafka has deleted what is before to_offset.
WITH moved AS (
    UPDATE webhook_cursors SET next_offset = %(to_offset)s
    WHERE webhook = %(webhook)s AND "partition" = %(partition)s AND dead_letter = %(dead_letter)s
      AND next_offset = %(from_offset)s AND message_id IS NULL
    RETURNING 1
)
INSERT INTO webhook_dead_letters (webhook, "partition", from_offset, next_offset, changes, why)
SELECT %(webhook)s, %(partition)s, %(from_offset)s, %(to_offset)s, 0, 'lost' FROM moved
WHERE %(from_offset)s < %(to_offset)s

-- name: told
-- Whom a live audience told, in the window that is remembered; a replay has a memory of its own too.
SELECT user_id, told, to_ms(at) FROM webhook_told
WHERE webhook = %(webhook)s AND user_id = ANY(%(users)s) AND dead_letter IN (0, %(dead_letter)s)

-- name: remember_told
-- With the message that tells them.
INSERT INTO webhook_told AS t (webhook, user_id, dead_letter, "partition", told, at, until)
SELECT DISTINCT ON (user_id) %(webhook)s, user_id, %(dead_letter)s, %(partition)s, told, at,
       at + %(window_seconds)s * interval '1 second'
FROM unnest(%(users)s::text[], %(timers)s::text[], %(at)s::timestamptz[]) AS new (user_id, told, at)
ORDER BY user_id, at DESC
ON CONFLICT (webhook, user_id, dead_letter) DO UPDATE
SET "partition" = EXCLUDED."partition", told = EXCLUDED.told, at = EXCLUDED.at, until = EXCLUDED.until

-- name: forget_told_users
-- Who was erased or opted out.
DELETE FROM webhook_told WHERE webhook = %(webhook)s AND user_id = ANY(%(forgotten)s::text[])

-- name: forget_told
-- Whose window is over.
DELETE FROM webhook_told
WHERE webhook = %(webhook)s AND "partition" = %(partition)s AND dead_letter = %(dead_letter)s
  AND until <= %(until)s

-- name: forget_old_told
-- Of webhooks that are disabled nobody else does, and log time goes on without them.
DELETE FROM webhook_told t USING webhooks w
WHERE w.id = t.webhook AND w.disabled_at < now() - interval '1 day' AND t.until < now()

-- name: asked_to_forget
-- Who is not to be told of any more, whether or not that was processed.
SELECT user_hash FROM privacy_flags WHERE user_hash = ANY(%(hashes)s) AND opted_out
UNION
SELECT user_hash FROM erasures WHERE user_hash = ANY(%(hashes)s) AND erased_at IS NULL

-- name: hash_key
-- Of the key by which the deployment knows who opted out; no row: nobody could yet.
SELECT fingerprint FROM user_hash_key

-- name: replayed
-- A replay has come to its end: its cursor and its dead letter go, and whom it told.
WITH ended AS (
    DELETE FROM webhook_cursors
    WHERE webhook = %(webhook)s AND "partition" = %(partition)s AND dead_letter = %(dead_letter)s
      AND next_offset >= until_offset AND message_id IS NULL
    RETURNING webhook, dead_letter
), forgotten AS (
    DELETE FROM webhook_told t USING ended e
    WHERE t.webhook = e.webhook AND t.dead_letter = e.dead_letter AND t.dead_letter <> 0
)
DELETE FROM webhook_dead_letters WHERE id IN (SELECT dead_letter FROM ended)

-- name: hold
-- Messages that are being fixed are fixed first, and no more are, until the end of the transaction.
SELECT FROM webhooks WHERE id = %(webhook)s FOR UPDATE

-- name: disable
-- No message of it stays: each becomes a dead letter.
WITH disabled AS (
    UPDATE webhooks SET disabled_at = now(), disabled_why = 'gone'
    WHERE id = %(webhook)s AND disabled_at IS NULL
    RETURNING id
), ended AS (
    UPDATE webhook_cursors
    SET next_offset = message_next_offset, message_id = NULL, body = NULL, changes = NULL,
        message_next_offset = NULL, oldest_at = NULL, fixed_at = NULL, attempts = 0, problem = NULL
    FROM (
        SELECT webhook AS w, "partition" AS p, dead_letter AS d, next_offset AS begins, changes AS many
        FROM webhook_cursors JOIN disabled ON id = webhook
        WHERE message_id IS NOT NULL
        FOR UPDATE OF webhook_cursors
    ) before
    WHERE webhook = w AND "partition" = p AND dead_letter = d
    RETURNING webhook, "partition", begins, next_offset AS ends, many
)
INSERT INTO webhook_dead_letters (webhook, "partition", from_offset, next_offset, changes, why)
SELECT webhook, "partition", begins, greatest(ends, begins + 1), many,
       CASE WHEN begins < ends THEN 'disabled' ELSE 'lost' END
FROM ended
