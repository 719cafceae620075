-- Webhooks as they are made, shown and ended, by the API and by `rollcall webhooks`. Each is one
-- statement, so that nobody holds a lock between two.

-- name: create
-- No row: there are %(most)s already.
INSERT INTO webhooks (id, url, filter, created_by, secret)
SELECT %(id)s, %(url)s, %(filter)s::jsonb, %(created_by)s, %(secret)s
WHERE (SELECT count(*) FROM webhooks) < %(most)s
RETURNING id

-- name: list
-- failing_since: the oldest message that is on its way after a failed attempt was fixed then.
SELECT w.id, w.url, w.filter, w.created_at, w.created_by, w.previous_until, w.disabled_at,
       w.disabled_why, c.failing_since, c.problem, coalesce(d.dead_letters, 0) AS dead_letters
FROM webhooks w
LEFT JOIN LATERAL (
    SELECT min(fixed_at) AS failing_since, (array_agg(problem ORDER BY fixed_at))[1] AS problem
    FROM webhook_cursors WHERE webhook = w.id AND attempts > 0 AND message_id IS NOT NULL
) c ON true
LEFT JOIN LATERAL (
    SELECT count(*) AS dead_letters FROM webhook_dead_letters WHERE webhook = w.id
) d ON true
ORDER BY w.created_at, w.id

-- name: delete
-- With its cursors and dead letters.
DELETE FROM webhooks WHERE id = %(id)s

-- name: rotate
-- A new secret; the one before it signs too, for a while.
UPDATE webhooks
SET previous_secret = secret, previous_until = now() + %(overlap_seconds)s * interval '1 second',
    secret = %(secret)s
WHERE id = %(id)s
RETURNING previous_until

-- name: enable
-- Deliver again.
UPDATE webhooks SET disabled_at = NULL, disabled_why = NULL WHERE id = %(id)s

-- name: replay
-- What Kafka has lost cannot be. Gives how many begin.
WITH wanted AS (
    UPDATE webhook_dead_letters SET replaying_since = now()
    WHERE webhook = %(id)s AND why <> 'lost' AND replaying_since IS NULL
    RETURNING id, webhook, "partition", from_offset, next_offset
), begun AS (
    INSERT INTO webhook_cursors (webhook, "partition", dead_letter, next_offset, until_offset)
    SELECT webhook, "partition", id, from_offset, next_offset FROM wanted
    ON CONFLICT DO NOTHING
    RETURNING 1
)
SELECT count(*) FROM begun

-- name: exists
-- Whether there is one of this id.
SELECT EXISTS (SELECT FROM webhooks WHERE id = %(id)s)

-- name: dead_letters
-- What could not be delivered to one.
SELECT id, "partition", from_offset, next_offset, changes, why, first_at, last_at, replaying_since
FROM webhook_dead_letters WHERE webhook = %(id)s ORDER BY id DESC LIMIT %(limit)s
