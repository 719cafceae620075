-- What the sender of audiences reads and writes. Whoever writes late, because another process took the
-- delivery over, changes nothing: every change names the holder and the page.

-- name: claim
-- Deliveries that wait, the oldest of each destination: one at a time goes there. One whose holder has
-- not said for a while that it goes on is anybody's.
UPDATE audience_deliveries d
SET holder = %(holder)s, held_until = now() + %(lease_seconds)s * interval '1 second'
WHERE d.id IN (
    SELECT id FROM audience_deliveries
    WHERE id IN (
        SELECT DISTINCT ON (destination) id FROM audience_deliveries WHERE ended_at IS NULL
        ORDER BY destination, created_at, id
    )
      AND (next_at <= now() OR cancel_wanted_at IS NOT NULL)
      AND (holder IS NULL OR held_until <= now())
    ORDER BY created_at LIMIT %(most)s FOR UPDATE SKIP LOCKED
)
RETURNING d.id, d.destination, d.calls_per_second

-- name: keep
-- Those that this process is at.
UPDATE audience_deliveries SET held_until = now() + %(lease_seconds)s * interval '1 second'
WHERE holder = %(holder)s AND ended_at IS NULL AND id = ANY(%(ids)s::uuid[])
RETURNING id

-- name: page
-- The next one, with who is left on it; no row: another process holds the delivery, or it has ended.
SELECT d.id AS delivery, d.destination, d.name, d.push, d.as_of,
       coalesce(d.resumed_at, d.created_at) AS created_at, d.pages,
       d.next_page AS number, d.attempts, coalesce(p.user_ids, '{}') AS user_ids,
       d.cancel_wanted_at IS NOT NULL AS cancel_wanted
FROM audience_deliveries d LEFT JOIN audience_pages p ON p.delivery = d.id AND p.page = d.next_page
WHERE d.id = %(delivery)s AND d.holder = %(holder)s AND d.ended_at IS NULL

-- name: webhook
-- Where it goes, and what signs. No row: it is gone or disabled, or takes no audiences any more.
SELECT id, url, secret, CASE WHEN previous_until > now() THEN previous_secret END AS previous_secret
FROM webhooks
WHERE id = %(webhook)s AND disabled_at IS NULL AND filter ->> 'of' = 'audience'

-- name: leave_out
-- Who has opted out or was erased is on the page no more.
WITH moved AS (
    UPDATE audience_deliveries SET left_out = left_out + %(many)s
    WHERE id = %(delivery)s AND holder = %(holder)s AND next_page = %(number)s
    RETURNING id
)
UPDATE audience_pages p SET user_ids = %(user_ids)s::text[]
FROM moved WHERE p.delivery = moved.id AND p.page = %(number)s

-- name: sent
-- The page goes, the cursor moves.
WITH moved AS (
    UPDATE audience_deliveries
    SET next_page = next_page + 1, sent = sent + %(many)s, attempts = 0, problem = NULL,
        held_until = now() + %(lease_seconds)s * interval '1 second'
    WHERE id = %(delivery)s AND holder = %(holder)s AND next_page = %(number)s AND ended_at IS NULL
    RETURNING id
), gone AS (
    DELETE FROM audience_pages p USING moved WHERE p.delivery = moved.id AND p.page = %(number)s
)
SELECT 1 FROM moved

-- name: failed
-- Another attempt follows, by whoever comes first then.
UPDATE audience_deliveries
SET attempts = attempts + 1, problem = %(problem)s,
    next_at = now() + %(pause_seconds)s * interval '1 second', holder = NULL, held_until = NULL
WHERE id = %(delivery)s AND holder = %(holder)s AND next_page = %(number)s AND ended_at IS NULL

-- name: release
-- Somebody else may go on.
UPDATE audience_deliveries SET holder = NULL, held_until = NULL
WHERE holder = %(holder)s AND id = ANY(%(ids)s::uuid[])

-- name: end
-- With its row of the audit. Its pages go, but of one that failed: it may be resumed for a day.
WITH ended AS (
    UPDATE audience_deliveries
    SET ended_at = now(), problem = %(problem)s, holder = NULL, held_until = NULL
    WHERE id = %(delivery)s AND holder = %(holder)s AND ended_at IS NULL
    RETURNING id, coalesce(audit, id) AS audit, sent - sent_before AS sent, as_of
), gone AS (
    DELETE FROM audience_pages p USING ended WHERE p.delivery = ended.id AND %(outcome)s <> 'failed'
)
UPDATE audience_exports e
SET ended_at = now(), outcome = %(outcome)s, rows = ended.sent, as_of = ended.as_of,
    problem = %(problem)s
FROM ended WHERE e.id = ended.audit AND e.outcome = 'running'

-- name: waiting
-- How many are on their way, how many of them fail, and the age of the oldest.
SELECT count(*), count(*) FILTER (WHERE attempts > 0),
       coalesce(extract(epoch FROM max(now() - coalesce(resumed_at, created_at))), 0)::float8
FROM audience_deliveries WHERE ended_at IS NULL
