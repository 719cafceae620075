-- Webhooks as they are made, shown and ended, by the API and by `rollcall webhooks`. Each is one
-- statement, with its row of the audit, so that nobody holds a lock between two.

-- name: create
-- No row: there are %(most)s already.
WITH made AS (
    INSERT INTO webhooks (id, url, filter, created_by, secret)
    SELECT %(id)s, %(url)s, %(filter)s::jsonb, %(created_by)s, %(secret)s
    WHERE (SELECT count(*) FROM webhooks) < %(most)s
    RETURNING id
)
INSERT INTO managed_audit (who_kind, who, kind, managed, action, details)
SELECT %(who_kind)s, %(who)s, 'webhook', id, 'made', %(details)s::jsonb FROM made
RETURNING managed

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
WITH ended AS (DELETE FROM webhooks WHERE id = %(id)s RETURNING id)
INSERT INTO managed_audit (who_kind, who, kind, managed, action)
SELECT %(who_kind)s, %(who)s, 'webhook', id, 'ended' FROM ended

-- name: rotate
-- A new secret; the one before it signs too, for a while.
WITH rotated AS (
    UPDATE webhooks
    SET previous_secret = secret, previous_until = now() + %(overlap_seconds)s * interval '1 second',
        secret = %(secret)s
    WHERE id = %(id)s
    RETURNING id, previous_until
), noted AS (
    INSERT INTO managed_audit (who_kind, who, kind, managed, action, details)
    SELECT %(who_kind)s, %(who)s, 'webhook', id, 'rotated',
           jsonb_build_object('overlap_seconds', %(overlap_seconds)s::integer)
    FROM rotated
)
SELECT previous_until FROM rotated

-- name: enable
-- Deliver again.
WITH enabled AS (
    UPDATE webhooks SET disabled_at = NULL, disabled_why = NULL WHERE id = %(id)s RETURNING id
)
INSERT INTO managed_audit (who_kind, who, kind, managed, action)
SELECT %(who_kind)s, %(who)s, 'webhook', id, 'enabled' FROM enabled

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
), noted AS (
    INSERT INTO managed_audit (who_kind, who, kind, managed, action, details)
    SELECT %(who_kind)s, %(who)s, 'webhook', %(id)s, 'replayed',
           jsonb_build_object('dead_letters', count(*))
    FROM begun HAVING count(*) > 0
)
SELECT count(*) FROM begun

-- name: exists
-- Whether there is one of this id.
SELECT EXISTS (SELECT FROM webhooks WHERE id = %(id)s)

-- name: dead_letters
-- What could not be delivered to one.
SELECT id, "partition", from_offset, next_offset, changes, why, first_at, last_at, replaying_since
FROM webhook_dead_letters WHERE webhook = %(id)s ORDER BY id DESC LIMIT %(limit)s
