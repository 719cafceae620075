-- Deliveries of audiences: begun, shown, cancelled. Notify sends them (processor/targeting).

-- name: one_moment
-- All that follows in the transaction is of one moment, and may be written.
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ WRITE

-- name: exists
-- Whether a delivery is there already.
SELECT EXISTS (SELECT FROM audience_deliveries WHERE id = %(id)s)

-- name: running
-- How many are on their way.
SELECT count(*) FROM audience_deliveries WHERE ended_at IS NULL

-- name: begin_audit
-- Who sends which list where.
INSERT INTO audience_exports (id, who, who_kind, format, filter, destination)
VALUES (%(id)s, %(who)s, %(who_kind)s, 'push', %(filter)s::jsonb, %(destination)s)

-- name: create
-- In the transaction of its audit and of its pages.
INSERT INTO audience_deliveries (id, destination, name, push, calls_per_second, as_of, users, pages)
VALUES (%(id)s, %(destination)s, %(name)s, %(push)s::jsonb, %(calls_per_second)s, %(as_of)s, 0, 0)

-- name: create_pages
-- Who is in which call, for good.
WITH numbered AS (
    SELECT user_id, (row_number() OVER () - 1) / %(users_per_call)s AS page
    FROM ({audience}) AS audience
), made AS (
    INSERT INTO audience_pages (delivery, page, user_ids)
    SELECT %(id)s, page, array_agg(user_id) FROM numbered GROUP BY page
    RETURNING cardinality(user_ids) AS users
)
UPDATE audience_deliveries
SET (users, pages) = (SELECT coalesce(sum(users), 0), count(*) FROM made)
WHERE id = %(id)s

-- name: deliveries
-- Newest first.
SELECT d.id::text AS id, d.destination, d.name, d.push, e.who, e.who_kind, d.created_at, d.as_of,
       d.ended_at, d.users, d.sent,
       CASE WHEN e.outcome = 'completed' THEN d.users - d.sent ELSE d.left_out END AS left_out,
       CASE WHEN d.ended_at IS NOT NULL THEN e.outcome
            WHEN d.cancel_wanted_at IS NOT NULL THEN 'cancelling'
            WHEN d.attempts > 0 THEN 'failing' ELSE 'running' END AS state,
       d.problem
FROM audience_deliveries d JOIN audience_exports e USING (id)
WHERE %(id)s::uuid IS NULL OR d.id = %(id)s::uuid
ORDER BY d.created_at DESC, d.id DESC LIMIT %(most)s

-- name: cancel
-- Notify ends it before its next call.
UPDATE audience_deliveries SET cancel_wanted_at = coalesce(cancel_wanted_at, now())
WHERE id = %(id)s AND ended_at IS NULL

-- name: destinations
-- Webhooks that take audiences.
SELECT id, url FROM webhooks
WHERE disabled_at IS NULL AND filter ->> 'of' = 'audience' ORDER BY created_at, id LIMIT %(most)s
